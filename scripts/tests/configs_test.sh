# shellcheck shell=bash
# What is shipped in configs/ for whoever operates Marquee: rules that fire when they should, pages that say what to do,
# dashboards that are what their source says. What only a running fleet can show is in scripts/tests/observed.

configs=$root/configs

# alerts → their names, in order.
alerts() { cat "$configs"/prometheus/rules/*.yml | sed -n 's/^ *- alert: //p' | sort; }

# dashboards → the files of Grafana's dashboards.
dashboards() { printf '%s\n' "$configs"/grafana/dashboards/*.json; }

test_the_rules_fire_and_stay_silent_as_their_cases_say() {
  cd "$configs/prometheus" || fail "there is no configs/prometheus"
  promtool check rules rules/*.yml || fail "the rules are not good"
  # It is warned of two files that whoever deploys it makes.
  promtool check config prometheus.yml || fail "prometheus.yml is not good"
  cd tests || fail "there are no cases"
  promtool test rules ./*.yml || fail "a case went otherwise"
}

# cases FIRES|SILENT → the alerts that some case expects so, each once.
cases() {
  cat "$configs"/prometheus/tests/*.yml | awk -v wanted="$1" '
    /^ +alertname: / { name = $2 }
    /^ +exp_alerts: *\[\]/ { if (wanted == "SILENT") print name }
    /^ +exp_alerts: *$/ { if (wanted == "FIRES") print name }' | sort -u
}

test_every_alert_has_a_case_in_which_it_fires_and_one_in_which_it_does_not() {
  diff <(alerts) <(cases FIRES) || fail "these fire in no case, or are no alerts"
  diff <(alerts) <(cases SILENT) || fail "these are silent in no case, or are no alerts"
}

test_every_alert_says_how_bad_it_is_and_where_to_read_on() {
  local name
  [[ $(alerts | uniq --repeated) == "" ]] || fail "two alerts have the same name"
  while read -r name; do
    awk -v name="$name" '
      $1 == "-" { inside = ($2 == "alert:" && $3 == name) }
      inside && /labels: \{severity: (page|ticket)\}/ { severity = 1 }
      inside && /summary: / { summary = 1 }
      inside && $0 ~ "runbook_url: configs/runbook.md#" tolower(name) "$" { runbook = 1 }
      END { exit !(severity && summary && runbook) }' "$configs"/prometheus/rules/*.yml ||
      fail "$name wants a severity, a summary and a runbook_url"
  done < <(alerts)
}

test_every_alert_has_a_section_of_the_runbook_and_the_other_way_round() {
  diff <(alerts) <(sed -n 's/^## //p' "$configs/runbook.md" | sort) || fail "sections and alerts are not the same"
  awk '
    /^## / { name = $2; parts = commands = blocks = 0; order[++count] = name }
    /^\*(Means|The buyer sees|Then|Over when)\.\*/ { part[name]++ }
    /^```sh$/ { inside = 1; blocks++; next }
    /^```$/ { inside = 0 }
    inside && name && blocks == 1 { first[name]++ }
    inside && name && blocks == 2 { confirm[name]++ }
    END {
      for (at = 1; at <= count; at++) {
        name = order[at]
        if (part[name] != 4 || first[name] != 3 || confirm[name] != 1) { print name " is not complete"; bad = 1 }
      }
      exit bad
    }' "$configs/runbook.md" || fail "a section has four parts, three commands to begin with and one that confirms"
}

# metrics → every metric that rules and dashboards ask for, as a program names it.
metrics() {
  cat "$configs"/prometheus/rules/*.yml "$configs"/grafana/source/*.json "$configs/grafana/dashboard.jq" | grep --only-matching -E '\bmarquee_[a-z_]+[a-z]\b' |
    sed -E 's/_(bucket|sum|count)$//' | sort -u
}

test_every_metric_that_is_asked_for_is_one_that_a_program_has() {
  local name suffix
  [[ $(metrics | wc -l) -gt 50 ]] || fail "they are not found"
  while read -r name; do
    suffix=${name#marquee_balancer_}
    if grep -rqF --include='*.rs' -e "\"$name\"" -e "\"$suffix\"" "$root"/{balancer,backend,cache-warmer,drill}; then continue; fi
    # Some are named after the program that has them.
    suffix=$(sed -E 's/^marquee_(reservations|waitlist|cache_warmer)_/marquee_{program}_/' <<<"$name")
    grep -rqF --include='*.rs' -e "\"$suffix\"" "$root/backend/service" || fail "no program has $name"
  done < <(metrics)
}

test_the_dashboards_are_what_their_source_says() {
  "$root/scripts/dashboards" --into "$dir/dashboards"
  diff -r "$configs/grafana/dashboards" "$dir/dashboards" || fail "run scripts/dashboards"
}

test_every_panel_has_a_title_a_unit_and_a_query() {
  local file
  [[ $(dashboards | wc -l) == 5 ]] || fail "there should be five dashboards"
  while read -r file; do
    jq --raw-output '.panels[] | select(.type != "row") | select(
        (.title | length) == 0 or (.fieldConfig.defaults.unit | length) == 0 or (.targets | length) == 0
        or any(.targets[]; (.expr | length) == 0)) | .title' "$file" >"$dir/bad"
    [[ ! -s $dir/bad ]] || fail "$file: $(<"$dir/bad")"
    jq --exit-status '[.panels[].id] | length == (unique | length)' "$file" >/dev/null || fail "$file: two panels have one id"
    jq --exit-status '.panels | all(.gridPos.x + .gridPos.w <= 24)' "$file" >/dev/null || fail "$file: a panel is outside"
  done < <(dashboards)
}
