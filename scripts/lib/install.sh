# shellcheck shell=bash
# What the machine must have. On Debian and Ubuntu as root the missing is installed; elsewhere it is named, exactly.
#
# Each need is a function that fails while it is missing; `package` knows what provides it.

postgres_major_min=15
redis_major_min=7

need_cmake() { command -v cmake >/dev/null; }
need_compiler() { command -v cc >/dev/null && command -v c++ >/dev/null && command -v make >/dev/null; }
need_postgres() { find_postgres; }
need_redis() { find_redis; }
need_chromium() { find_chromium; }
need_prometheus() { command -v prometheus >/dev/null && command -v promtool >/dev/null; }
need_jq() { command -v jq >/dev/null; }
need_systemd() { [[ $OSTYPE != linux* ]] || command -v systemd-analyze >/dev/null; }
need_python() { python3 -c 'import ensurepip, venv' 2>/dev/null; }
need_ss() { command -v ss >/dev/null; }
need_curl() { command -v curl >/dev/null; }

# require NEED…: afterwards they are all there, or the script has ended with the way out.
require() {
  local missing=() need
  for need in "$@"; do "need_$need" || missing+=("$need"); done
  if ((${#missing[@]} == 0)); then return; fi
  if ! command -v apt-get >/dev/null || ((EUID != 0)); then
    die "missing: $(titles "${missing[@]}"); install with: $(install_command "${missing[@]}")"
  fi
  apt_install "${missing[@]}"
  for need in "${missing[@]}"; do
    "need_$need" || die "this system's packages have no $(titles "$need"); $(way_out "$need")"
  done
}

# titles NEED…: as a person says it.
titles() {
  local need list=""
  for need in "$@"; do
    case $need in
      compiler) need="a C and C++ compiler with make" ;;
      postgres) need="PostgreSQL $postgres_major_min or newer" ;;
      redis) need="Redis $redis_major_min or newer" ;;
      chromium) need="Chromium with its driver" ;;
      python) need="Python 3 with venv" ;;
      prometheus) need="Prometheus with promtool" ;;
    esac
    list+="${list:+, }$need"
  done
  printf '%s' "$list"
}

# package MANAGER NEED: the packages that provide it there.
package() {
  case $1:$2 in
    apt:cmake | dnf:cmake | brew:cmake) echo cmake ;;
    apt:compiler) echo build-essential ;;
    dnf:compiler) echo gcc gcc-c++ make ;;
    brew:compiler) echo gcc make ;;
    apt:postgres) echo postgresql ;;
    dnf:postgres) echo postgresql-server postgresql ;;
    brew:postgres) echo postgresql@17 ;;
    apt:redis) echo redis-server ;;
    dnf:redis | brew:redis) echo redis ;;
    apt:prometheus | brew:prometheus) echo prometheus ;;
    dnf:prometheus) echo golang-github-prometheus ;;
    apt:systemd | dnf:systemd) echo systemd ;;
    apt:python) echo python3-venv ;;
    dnf:python) echo python3 ;;
    brew:python) echo python ;;
    apt:ss) echo iproute2 ;;
    dnf:ss) echo iproute ;;
    brew:ss) echo iproute2mac ;;
    apt:jq | dnf:jq | brew:jq | apt:curl | dnf:curl | brew:curl) echo "$2" ;;
    apt:chromium) echo chromium chromium-driver ;;
    dnf:chromium) echo chromium chromedriver ;;
    brew:chromium) echo --cask chromium chromedriver ;;
  esac
}

# packages MANAGER NEED…: all of them, in one line.
packages() {
  local manager=$1 need
  shift
  for need in "$@"; do package "$manager" "$need"; done | paste -s -d ' ' -
}

# install_command NEED…: what to type here; for all three managers when none is known here.
install_command() {
  if command -v apt-get >/dev/null; then
    printf 'sudo apt-get install --yes %s' "$(packages apt "$@")"
  elif command -v dnf >/dev/null; then
    printf 'sudo dnf install --assumeyes %s' "$(packages dnf "$@")"
  elif command -v brew >/dev/null; then
    printf 'brew install %s' "$(packages brew "$@")"
  else
    printf 'apt-get install %s | dnf install %s | brew install %s' \
      "$(packages apt "$@")" "$(packages dnf "$@")" "$(packages brew "$@")"
  fi
}

# way_out NEED: when the distribution's own package is too old or absent.
way_out() {
  case $1 in
    postgres) printf 'see https://www.postgresql.org/download/linux/ or set DATABASE_URL to a server you have' ;;
    redis) printf 'see https://redis.io/docs/latest/operate/oss_and_stack/install/ or set REDIS_URL to a server you have' ;;
    prometheus) printf 'see https://prometheus.io/download/' ;;
    chromium) printf 'install Chromium or Chrome with a chromedriver of the same version' ;;
    *) printf 'install it by hand' ;;
  esac
}

# apt_install NEED…: with the services of the packages kept from starting: ours are private, and a system server on its
# usual port is nobody's wish here.
apt_install() {
  local wanted log=$run_dir/logs/install.log
  read -r -a wanted <<<"$(packages apt "$@")"
  note "installing ${wanted[*]}"
  forbid_service_start
  export DEBIAN_FRONTEND=noninteractive
  if ! { attend apt-get update && attend apt-get install --yes --no-install-recommends "${wanted[@]}"; } >"$log" 2>&1; then
    allow_service_start
    complain "apt-get could not install ${wanted[*]}; its last lines ($log):"
    last_lines install >&3
    exit 1
  fi
  allow_service_start
}

policy_file=/usr/sbin/policy-rc.d
policy_ours=false

# forbid_service_start: Debian asks this file before a package starts its service. One that is there already is kept.
forbid_service_start() {
  if [[ ! -e $policy_file ]]; then
    policy_ours=true
    printf '#!/bin/sh\nexit 101\n' >"$policy_file"
    chmod 755 "$policy_file"
  fi
}

# allow_service_start: also called on the way out of the script.
allow_service_start() {
  if $policy_ours; then rm -f "$policy_file"; fi
  policy_ours=false
}

# require_rust: cargo and rustc of at least the version that Cargo.toml names.
require_rust() {
  local wanted have
  if ! command -v cargo >/dev/null && [[ -x $HOME/.cargo/bin/cargo ]]; then PATH=$HOME/.cargo/bin:$PATH; fi
  wanted=$(sed -n 's/^rust-version *= *"\(.*\)".*/\1/p' "$root/Cargo.toml")
  if ! command -v cargo >/dev/null || ! command -v rustc >/dev/null; then
    die "missing: Rust $wanted or newer; install with: curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh"
  fi
  have=$(rustc --version) || die "rustc does not run; repair it with: rustup update stable"
  have=${have#rustc } have=${have%% *}
  if [[ $(printf '%s\n' "$wanted" "${have%%-*}" | sort --version-sort | head -n 1) != "$wanted" ]]; then
    die "Rust $have is too old, $wanted or newer is needed; update with: rustup update stable"
  fi
}

# find_chromium: a browser and the driver that steers it.
find_chromium() {
  command -v chromedriver >/dev/null || return 1
  command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null ||
    [[ -d /Applications/Chromium.app || -d "/Applications/Google Chrome.app" ]]
}
