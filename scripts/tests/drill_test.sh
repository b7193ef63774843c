# shellcheck shell=bash
# What scripts/drill does before the drill itself: finding the programs, and telling it where everything is.

# make_drill: a directory of programs with a drill that tells what it was told, and ends with code 7.
make_drill() {
  bin=$dir/bin
  cp -r "$stand_ins" "$bin"
  rm "$bin/drill"
  # shellcheck disable=SC2016 # the drill is to expand it
  printf '#!/bin/sh\necho "told: $MARQUEE_BIN_DIR $*"\nexit 7\n' >"$bin/drill"
  chmod +x "$bin/drill"
}

# drill [ARGUMENT…] → status: scripts/drill to its end.
drill() {
  status=0
  MARQUEE_RUN_DIR=$run_dir MARQUEE_BIN_DIR=$bin "$root/scripts/drill" "$@" >"$out" 2>&1 </dev/null || status=$?
}

test_the_drill_is_told_where_programs_and_data_are() {
  make_drill
  drill faults --seed 7
  expect_status 7
  expect_said "^told: $bin faults --run $root/scripts/run --directory $run_dir/drill --seed 7$"
}

test_other_commands_are_passed_on_as_they_are() {
  make_drill
  drill walk --url http://127.0.0.1:1
  expect_status 7
  expect_said "^told: $bin walk --url http://127.0.0.1:1$"
}

test_a_drill_that_is_not_built_is_named() {
  make_drill
  rm "$bin/drill"
  drill walk
  expect_failure
  expect_said "^scripts/drill: there is no program drill in $bin"
}

test_a_rolling_run_is_told_how_to_start_and_to_upgrade() {
  make_drill
  drill rolling --rounds 2
  expect_status 7
  expect_said "^told: $bin rolling --run $root/scripts/run --upgrade $root/scripts/upgrade --directory $run_dir/drill --rounds 2$"
}
