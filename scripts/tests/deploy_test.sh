# shellcheck shell=bash
# What is shipped for machines that are not this one: systemd's units, the image, Kubernetes' manifests, the archive. Each is
# read by a program that knows what is right.

deployed=$root/configs

# shipped_units → a copy of the units whose programs are there, in $dir/units.
shipped_units() {
  local program file
  mkdir -p "$dir/units" "$dir/marquee/bin" "$dir/marquee/scripts" "$dir/marquee/configs"
  for program in bin/{balancer,catalog,reservations,waitlist,cache-warmer,drill} scripts/upgrade; do
    printf '#!/bin/sh\n' >"$dir/marquee/$program"
    chmod 755 "$dir/marquee/$program"
  done
  touch "$dir/marquee/configs/README.md"
  for file in "$deployed"/systemd/*.{service,target}; do
    sed "s|/usr/lib/marquee/|$dir/marquee/|g" "$file" >"$dir/units/${file##*/}"
  done
}

test_the_units_are_what_systemd_wants() {
  if [[ $OSTYPE != linux* ]]; then return 0; fi
  shipped_units
  cd "$dir/units" || fail "there are no units"
  # Templates by one of their instances. What it is not sure of it says, and that is a failure here.
  systemd-analyze verify --man=no --recursive-errors=no ./marquee.target ./marquee-{migrate,cache-warmer,balancer,canary}.service \
    ./marquee-catalog@7101.service ./marquee-reservations@7201.service ./marquee-waitlist@7301.service >"$dir/said" 2>&1 ||
    fail "systemd says: $(<"$dir/said")"
  [[ ! -s $dir/said ]] || fail "systemd says: $(<"$dir/said")"
}

test_the_units_leave_a_program_little_that_it_could_harm() {
  local unit
  if [[ $OSTYPE != linux* ]]; then return 0; fi
  shipped_units
  for unit in "$dir"/units/*.service; do
    # Of 100; an unconfined service has 96.
    systemd-analyze security --offline=yes --no-pager --threshold=20 "$unit" >"$dir/said" 2>&1 ||
      fail "${unit##*/}: $(tail -n 1 "$dir/said")"
  done
}

test_every_instance_that_the_target_wants_is_an_endpoint_of_the_balancer() {
  local port
  while read -r port; do
    grep -q "\"127.0.0.1:$port\"" "$deployed/balancer.toml" || fail "the balancer does not know port $port"
  done < <(grep -o '@[0-9]*' "$deployed/systemd/marquee.target" | tr -d @)
  [[ $(grep -c '@7' "$deployed/systemd/marquee.target") == 3 ]] || fail "there should be three services"
}

# python_tool NAME → tool: its path, installed once into a directory that stays.
python_tool() {
  local place=$root/.run/tools/python
  # shellcheck source=/dev/null
  source "$root/scripts/lib/python.sh"
  mkdir -p "${place%/*}"
  install_python_tools "$place" || fail "the tools of scripts/lib/python.sh cannot be installed"
  tool=$place/bin/$1
}

# Old enough for those who run it, and new enough to know autoscaling/v2.
kubernetes_versions=(1.29 1.34)

test_the_manifests_are_what_kubernetes_wants() {
  local version tool
  python_tool kubernetes-validate
  for version in "${kubernetes_versions[@]}"; do
    "$tool" --strict --quiet --kubernetes-version "$version" "$deployed"/kubernetes/*.yaml || fail "not for Kubernetes $version"
  done
}

test_the_kustomization_has_all_that_there_is() {
  diff <(sed -n 's|^  - kubernetes/||p' "$deployed/kustomization.yaml" | sort) <(cd "$deployed/kubernetes" && printf '%s\n' *.yaml) ||
    fail "a manifest is missing"
  diff <(sed -n 's|^      - ||p' "$deployed/kustomization.yaml" | sort) <(cd "$deployed" && printf '%s\n' *.toml) ||
    fail "a configuration is missing"
  if command -v kubectl >/dev/null; then
    kubectl kustomize "$deployed" >"$dir/all" || fail "it cannot be put together"
    [[ $(grep -c '^kind: ' "$dir/all") -gt 25 ]] || fail "not all of it is there"
  fi
}

test_every_deployment_has_what_operating_it_wants() {
  local program what
  for program in balancer catalog reservations waitlist cache-warmer; do
    for what in livenessProbe readinessProbe startupProbe preStop PodDisruptionBudget topologySpreadConstraints requests: limits: \
      runAsNonRoot readOnlyRootFilesystem allowPrivilegeEscalation secretKeyRef terminationGracePeriodSeconds; do
      grep -q "$what" "$deployed/kubernetes/$program.yaml" || fail "$program has no $what"
    done
  done
  for program in balancer catalog reservations waitlist; do
    grep -q HorizontalPodAutoscaler "$deployed/kubernetes/$program.yaml" || fail "$program does not scale"
    grep -q "podSelector: {matchLabels: {app.kubernetes.io/name: $program}}" "$deployed/kubernetes/network.yaml" ||
      fail "nobody is let in to $program"
  done
  grep -A 3 'name: nothing' "$deployed/kubernetes/network.yaml" | grep -q 'podSelector: {}' || fail "what is not named is let in"
}

test_the_compose_file_is_what_docker_wants() {
  local tool
  python_tool check-jsonschema
  "$tool" --builtin-schema vendor.compose-spec "$deployed/container/compose.yaml" || fail "see above"
  promtool check config --syntax-only "$deployed/container/prometheus.yml" || fail "see above"
}

test_the_image_is_made_of_what_is_there() {
  local word from
  while read -r from; do
    for word in $from; do
      [[ -e $root/$word ]] || fail "there is no $word to copy"
      # Only what the build may see is copied: named itself, or by a pattern with its ending.
      grep -q -x -F -e "!$word" -e "!${word%/*}/*.${word##*.}" "$deployed/container/Dockerfile.dockerignore" ||
        [[ $word == configs ]] || fail "$word is not let in"
    done
  done < <(sed -n 's/^COPY \([^-].*\) [^ ]*$/\1/p' "$deployed/container/Dockerfile")
  grep -q "^FROM rust:$(sed -n 's/^rust-version *= *"\(.*\)"/\1/p' "$root/Cargo.toml")-" "$deployed/container/Dockerfile" ||
    fail "the image builds with another Rust than Cargo.toml wants"
}

# packaged [ARGUMENT…]: an archive of stand-ins.
packaged() { MARQUEE_RUN_DIR=$run_dir MARQUEE_BIN_DIR=$dir/bin "$root/scripts/package" --into "$dir/$1" >"$out" 2>&1 || fail "it was not made"; }

test_the_archive_is_whole_and_the_same_each_time() {
  local archive version
  cp -r "$stand_ins" "$dir/bin"
  packaged first
  packaged second
  archive=$(cd "$dir/first" && printf '%s\n' *.tar.gz)
  cmp "$dir/first/$archive" "$dir/second/$archive" || fail "it is another one the second time"
  cd "$dir/first" || fail "there is no archive"
  sha256sum --check --quiet "$archive.sha256" || fail "its own sum is wrong"
  tar --extract --gzip --file "$archive"
  version=${archive%-*}
  cd "$version" || fail "it does not unpack to $version"
  sha256sum --check --quiet SHA256SUMS || fail "a file is not what its sum says"
  [[ $(find . -type f ! -name SHA256SUMS | wc -l) == $(wc -l <SHA256SUMS) ]] || fail "a file has no sum"
  for file in bin/balancer bin/drill configs/systemd/marquee-balancer.service configs/prometheus/rules/slo.yml \
    configs/grafana/dashboards/on-sale.json configs/kubernetes/balancer.yaml configs/runbook.md scripts/upgrade scripts/backup scripts/restore; do
    [[ -s $file ]] || fail "$file is missing"
  done
  scripts/upgrade --help >/dev/null || fail "its scripts do not run"
  scripts/restore --help >/dev/null || fail "its scripts do not run"
}
