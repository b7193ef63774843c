# shellcheck shell=bash
# Tools that only Python's registry has, in a place of their own under the run directory.

# What validates manifests: they carry the published schemas with them, so that nothing is asked of anybody while they run.
python_tools=(kubernetes-validate==1.37.0 check-jsonschema==0.39.0)

# install_python_tools DIRECTORY: a virtual environment there, with the tools in these versions.
install_python_tools() {
  local wanted="${python_tools[*]}"
  if [[ -r $1/tools && $(<"$1/tools") == "$wanted" ]]; then return; fi
  rm -rf "$1"
  python3 -m venv "$1" && "$1/bin/pip" --quiet --disable-pip-version-check install "${python_tools[@]}" || return 1
  printf '%s' "$wanted" >"$1/tools"
}
