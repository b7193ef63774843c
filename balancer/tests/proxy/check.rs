//! `--check`, and that a wrong configuration says where, what and the way out in one line.

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use balancer::config::source::Source;
use balancer::config::{Config, Pool};

use crate::rig::directory;

const ENDING: &str =
    "[[routes]]\nmatch = \"/**\"\npool = \"main\"\n[pools.main]\nendpoints = [\"127.0.0.1:1\"]\n";

fn balancer(config: &str, environment: &[(&str, &str)], check: bool) -> Output {
    let directory = directory();
    let file = directory.join("balancer.toml");
    std::fs::write(&file, config).expect("written");
    let mut command = Command::new(env!("CARGO_BIN_EXE_balancer"));
    command.envs(environment.iter().copied()).arg("--config").arg(&file);
    if check {
        command.arg("--check");
    }
    let output = command.output().expect("ran");
    std::fs::remove_dir_all(&directory).expect("removed");
    output
}

/// The one line of a failed check.
fn complaint(config: &str, environment: &[(&str, &str)]) -> String {
    let output = balancer(config, environment, true);
    let text = String::from_utf8(output.stderr).expect("text");
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");
    text
}

#[test]
fn the_shipped_configuration_is_valid() {
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/../configs/balancer.toml");
    let output = Command::new(env!("CARGO_BIN_EXE_balancer")).args(["--check", "--config", shipped]).output();
    let output = output.expect("ran");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn endpoints_of_the_file_are_looked_up_instead_where_the_environment_says_so() {
    let dns = ("MARQUEE_BALANCER__POOLS__MAIN__DNS", "{ name = \"main\", port = 7101 }");
    let emptied = ("MARQUEE_BALANCER__POOLS__MAIN__ENDPOINTS", "[]");
    let output = balancer(ENDING, &[dns, emptied], true);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(complaint(ENDING, &[dns]).contains("keep one"));
    assert!(complaint(ENDING, &[emptied]).contains("add one"));
}

/// A service that is told to stop is unready for a while and then closes: until then no request may go there any more.
#[test]
fn an_unready_service_is_out_before_it_closes() {
    let configs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs");
    let source = Source::read(&configs.join("balancer.toml"), []).expect("read");
    let pools = Config::from_source(&source).expect("valid").pools;
    assert_eq!(pools.len(), 3);
    for Pool { name, health, .. } in pools {
        let text =
            std::fs::read_to_string(configs.join(format!("{name}.toml"))).expect("a service's own file");
        let service: toml::Table = text.parse().expect("TOML");
        let notice = service["http"]["drain_seconds"].as_integer().expect("a number");
        // A service that still answers does so at once; half of the time is left for it.
        let found_out = health.interval * health.fall;
        assert!(found_out * 2 <= Duration::from_secs(notice.unsigned_abs()), "{name}: {found_out:?}");
    }
}

#[test]
fn every_mistake_names_its_line_its_key_and_the_way_out() {
    let cases = [
        (
            "colour = 1\n".to_owned() + ENDING,
            "balancer.toml:1: key `colour`: unknown field",
            "expected one of",
        ),
        (
            ENDING.replace("[pools.main]", "[pools.main]\nendpoint = 1"),
            ":5: key `pools.main.endpoint`",
            "expected one of",
        ),
        (
            ENDING.replace("= \"main\"", "= \"mian\""),
            ":3: key `routes.0.pool`: `mian` is not a pool",
            "use one of main",
        ),
        (ENDING.replace("[\"127.0.0.1:1\"]", "[]"), ":5: key `pools.main.endpoints`", "add one"),
        (ENDING.replace("127.0.0.1:1", "localhost"), ":5: key `pools.main.endpoints.0`", "ip:port"),
        (ENDING.replace("/**", "/a/**/b"), ":2: key `routes.0.match`", "may only end a pattern"),
        (ENDING.to_owned() + "connect_ms = 0\n", ":6: key `pools.main.connect_ms`", "1 or more"),
        (
            "[edge]\nheader_seconds = 9000000000000000000\n".to_owned() + ENDING,
            ":2: key `edge.header_seconds`",
            "more than 86400; lower it",
        ),
        (
            "[edge]\ndrain_seconds = 86401\n".to_owned() + ENDING,
            ":2: key `edge.drain_seconds`",
            "more than 86400; lower it",
        ),
        (
            ENDING.to_owned() + "first_byte_ms = 86400001\n",
            ":6: key `pools.main.first_byte_ms`",
            "more than 86400000",
        ),
        (
            "[access_log]\nqueue_lines_max = 9000000000000000000\n".to_owned() + ENDING,
            ":2: key `access_log.queue_lines_max`",
            "lower it",
        ),
        (
            ENDING.to_owned() + "idle_connections_max = 9000000000000000000\n",
            ":6: key `pools.main.idle_connections_max`",
            "lower it",
        ),
        ("threads = 1000000\n".to_owned() + ENDING, ":1: key `threads`", "lower it"),
        (
            ENDING.to_owned() + "first_byte_ms = \"1s\"\n",
            ":6: key `pools.main.first_byte_ms`: invalid type: string",
            "expected u64",
        ),
        (
            ENDING.to_owned() + "[[routes]]\nmatch = \"/**\"\npool = \"main\"\n",
            ":7: key `routes.1.match`",
            "remove one",
        ),
        ("[listen]\npublic = \"8080\"\n".to_owned() + ENDING, ":2: key `listen.public`", "ip:port"),
        (
            "[listen]\npublic = \"127.0.0.1:8080\"\nadmin = \"127.0.0.1:8080\"\n".to_owned() + ENDING,
            ":3: key `listen.admin`: `127.0.0.1:8080` is where `listen.public` listens",
            "another port",
        ),
        (
            "[listen]\npublic = \"0.0.0.0:8080\"\nadmin = \"127.0.0.1:8080\"\n".to_owned() + ENDING,
            ":3: key `listen.admin`",
            "another port",
        ),
        (
            "[listen]\npublic = \"127.0.0.1:8080\"\nadmin = \"[::]:8080\"\n".to_owned() + ENDING,
            ":3: key `listen.admin`",
            "another port",
        ),
        (
            "[listen]\nadmin = \"0.0.0.0:8081\"\n".to_owned() + ENDING,
            "key `listen.admin_token`",
            "set a token or listen on 127.0.0.1",
        ),
        ("[edge]\ntrusted = [\"x\"]\n".to_owned() + ENDING, ":2: key `edge.trusted.0`", "10.0.0.0/8"),
        (
            "[edge]\nproxy_protocol_from = [\"x\"]\n".to_owned() + ENDING,
            ":2: key `edge.proxy_protocol_from.0`",
            "10.0.0.0/8",
        ),
        ("[edge]\nuri_bytes_max = 0\n".to_owned() + ENDING, ":2: key `edge.uri_bytes_max`", "1 or more"),
        ("[listen]\ntls = \"x\"\n".to_owned() + ENDING, ":2: key `listen.tls`", "ip:port"),
        (
            "[listen]\npublic = \"0.0.0.0:8443\"\ntls = \"127.0.0.1:8443\"\n".to_owned() + ENDING,
            ":3: key `listen.tls`: `127.0.0.1:8443` is where another one listens",
            "another port",
        ),
        (
            "[listen]\ntls = \"127.0.0.1:8443\"\n".to_owned() + ENDING,
            ":2: key `listen.tls`: it has nothing to show",
            "add [[tls.certificates]]",
        ),
        (
            "[[tls.certificates]]\ncertificate = \"x\"\nkey = \"y\"\n".to_owned() + ENDING,
            "key `tls.certificates`: nobody shows them",
            "add listen.tls",
        ),
        ("[http2]\nstreams_max = 0\n".to_owned() + ENDING, ":2: key `http2.streams_max`", "1 or more"),
        (
            ENDING.to_owned() + "total_ms = 86400001\n",
            ":6: key `pools.main.total_ms`",
            "more than 86400000; lower it",
        ),
        (
            found("").replace("file = \"x\"", ""),
            ":4: key `pools.main`",
            "add `endpoints`, or `dns` or `file`",
        ),
        (found("endpoints = [\"127.0.0.1:1\"]"), ":4: key `pools.main`", "keep one"),
        (found("dns = { name = \"a.test\", port = 1 }"), ":4: key `pools.main`", "keep one"),
        (dns("name = \"a.test\""), ":5: key `pools.main.dns.port`", "say where the instances listen"),
        (dns("name = \"a.test\", port = 0"), ":5: key `pools.main.dns.port`", "1 or more"),
        (dns("name = \"a.test\", port = 1, kind = \"srv\""), ":5: key `pools.main.dns.port`", "remove it"),
        (dns("name = \"10.0.0.1\", port = 1"), ":5: key `pools.main.dns.name`", "write it in `endpoints`"),
        (dns("name = \"a..test\", port = 1"), ":5: key `pools.main.dns.name`", "catalog.internal"),
        (
            dns("name = \"a.test\", port = 1, server = \"ns.test\""),
            ":5: key `pools.main.dns.server`",
            "ip:port",
        ),
        (
            dns("name = \"a.test\", port = 1, ttl = 1"),
            ":5: key `pools.main.dns`: unknown field `ttl`",
            "expected one of",
        ),
        (
            dns("name = \"a.test\", port = 1, refresh_seconds = 0"),
            ":5: key `pools.main.dns.refresh_seconds`",
            "1 or more",
        ),
        ("[edge\n".to_owned() + ENDING, "balancer.toml:1", ""),
        (String::new(), "key `pools`", "add [pools.NAME]"),
    ];
    explained(&cases);
}

/// With a pool that is looked up in a file, and besides as this line says.
fn found(line: &str) -> String {
    let (before, _) = ENDING.split_once("endpoints").expect("a pool with endpoints");
    format!("{before}file = \"x\"\n{line}\n")
}

/// With a pool that is looked up in DNS.
fn dns(keys: &str) -> String {
    let (before, _) = ENDING.split_once("endpoints").expect("a pool with endpoints");
    format!("{before}dns = {{ {keys} }}\n")
}

#[test]
fn a_mistake_about_health_names_its_way_out_too() {
    let cases = [
        (
            ENDING.to_owned() + "[pools.main.health]\nkind = \"tcp\"\nexpect_body = \"ok\"\n",
            ":8: key `pools.main.health.expect_body`: a connection answers nothing",
            "use kind = \"http\"",
        ),
        (
            ENDING.to_owned() + "[pools.main.health]\nexpect_status = [200, \"299-200\"]\n",
            ":7: key `pools.main.health.expect_status`",
            "from 200 to 599",
        ),
        (
            ENDING.to_owned() + "[pools.main.health]\nexpect_status = [true]\n",
            ":7: key `pools.main.health.expect_status`",
            "such as 200",
        ),
        (
            ENDING.to_owned() + "[pools.main.health]\npanic_percent = 101\n",
            ":7: key `pools.main.health.panic_percent`",
            "more than 100; lower it",
        ),
        (
            ENDING.to_owned() + "[pools.main.outlier]\nejection_seconds = 61\n",
            ":7: key `pools.main.outlier.ejection_seconds`",
            "longer than ejection_seconds_max; lower it",
        ),
        (
            ENDING.to_owned() + "[pools.main.outlier]\nfailure_percent = 0\n",
            ":7: key `pools.main.outlier.failure_percent`",
            "1 or more",
        ),
    ];
    explained(&cases);
}

/// Each with where it stands and the way out.
fn explained(cases: &[(String, &str, &str)]) {
    for (config, place, way_out) in cases {
        let line = complaint(config, &[]);
        assert!(line.contains(place) && line.contains(way_out), "wanted {place} … {way_out}, got {line}");
    }
}

#[test]
fn a_wrong_limit_of_a_client_or_a_pool_says_what_would_be_right() {
    let client = |keys: &str| format!("[limits]\n{keys}\n{ENDING}");
    let pool = |keys: &str| format!("{ENDING}[pools.main.limits]\n{keys}\n");
    explained(&[
        (client("client_connections_max = 0"), ":2: key `limits.client_connections_max`", "1 or more"),
        (
            client("client_sockets_max = 16777217"),
            ":2: key `limits.client_sockets_max`",
            "16777216; lower it",
        ),
        (client("redis_url = \"127.0.0.1\""), ":2: key `limits.redis_url`", "redis://127.0.0.1:6379"),
        (client("sockets_max = 1"), ":2: key `limits.sockets_max`: unknown field", "expected one of"),
        (pool("in_flight_max = 0"), ":7: key `pools.main.limits.in_flight_max`", "1 or more"),
        (
            pool("endpoint_in_flight_max = 0"),
            ":7: key `pools.main.limits.endpoint_in_flight_max`",
            "1 or more",
        ),
        (pool("sockets_max = 0"), ":7: key `pools.main.limits.sockets_max`", "1 or more"),
        (pool("queue_max = 16777217"), ":7: key `pools.main.limits.queue_max`", "16777216; lower it"),
        (pool("queue_wait_ms = 0"), ":7: key `pools.main.limits.queue_wait_ms`", "1 or more"),
        (
            pool("adaptive_initial = 10\nadaptive_min = 11"),
            ":7: key `pools.main.limits.adaptive_initial`: less than `adaptive_min`",
            "raise it",
        ),
        (
            pool("adaptive_tolerance_percent = 99"),
            ":7: key `pools.main.limits.adaptive_tolerance_percent`",
            "use 100 or more",
        ),
        (pool("in_flight = 1"), ":7: key `pools.main.limits.in_flight`: unknown field", "expected one of"),
    ]);
}

#[test]
fn a_wrong_rate_limit_says_what_would_be_right() {
    let rate =
        |keys: &str| format!("[[rate_limits]]\nname = \"one\"\nrequests_per_second = 1\n{keys}\n{ENDING}");
    let named = |name: &str| format!("[[rate_limits]]\nname = \"{name}\"\nrequests_per_second = 1\n{ENDING}");
    let per_second = |rate: &str| named("one").replace("second = 1", &format!("second = {rate}"));
    let numbered = |n: usize| format!("[[rate_limits]]\nname = \"n{n}\"\nrequests_per_second = 1\n");
    let many: String = (0..17).map(numbered).collect::<Vec<_>>().concat();
    explained(&[
        (named("two words"), ":2: key `rate_limits.0.name`", "use letters, digits, `_` and `-`"),
        (named("one") + &named("one").replace(ENDING, ""), ":10: key `rate_limits.1.name`", "another name"),
        (per_second("0"), ":3: key `rate_limits.0.requests_per_second`", "1 or more"),
        (per_second("100001"), ":3: key `rate_limits.0.requests_per_second`", "100000; lower it"),
        (rate("burst = 0"), ":4: key `rate_limits.0.burst`", "1 or more"),
        (rate("key = \"session\""), ":4: key `rate_limits.0.key`", "\"cookie:NAME\" or \"header:NAME\""),
        (rate("key = \"header:a b\""), ":4: key `rate_limits.0.key`", "\"address\""),
        (rate("routes = [\"/elsewhere\"]"), ":4: key `rate_limits.0.routes.0`", "write it as it is there"),
        (rate("shared = true"), ":4: key `rate_limits.0.shared`", "set `limits.redis_url`"),
        (rate("window = 1"), ":4: key `rate_limits.window`: unknown field", "expected one of"),
        (many + ENDING, "key `rate_limits`: more than 16", "remove some"),
    ]);
}

#[test]
fn no_section_lets_a_wrong_value_pass() {
    let section = |name: &str, keys: &str| format!("[{name}]\n{keys}\n{ENDING}");
    let route = |keys: &str| ENDING.replace("/**\"", &format!("/**\"\n{keys}"));
    let pool = |keys: &str| format!("{ENDING}{keys}\n");
    explained(&[
        (section("retry", "attempts_max = 0"), ":2: key `retry.attempts_max`", "1 or more"),
        (section("retry", "budget_percent = 101"), ":2: key `retry.budget_percent`", "use 0 to 100"),
        (section("cache", "object_bytes_max = 67108865"), ":2: key `cache.object_bytes_max`", "lower it"),
        (section("cache", "entries_max = 0"), ":2: key `cache.entries_max`", "1 or more"),
        (section("purge", "redis_url = \"redis\""), ":2: key `purge.redis_url`", "redis://127.0.0.1:6379"),
        (section("purge", "channel = \"\""), ":2: key `purge.channel`", "name the channel"),
        (section("purge", "lease_ms = 0"), ":2: key `purge.lease_ms`", "1 or more"),
        (
            section("purge", &format!("publishers = {:?}", ["x"; 17])),
            ":2: key `purge.publishers`",
            "remove some",
        ),
        (
            section("access_log", "file = \"-\""),
            ":2: key `access_log.file`: unknown field",
            "expected one of",
        ),
        (section("affinity", "cookie = \"a b\""), ":2: key `affinity.cookie`", "use letters, digits"),
        (
            section("traces", "endpoint = \"https://c:4318\""),
            ":2: key `traces.endpoint`",
            "http://127.0.0.1:4318",
        ),
        (section("traces", "sample_ratio = 1.5"), ":2: key `traces.sample_ratio`", "0 to 1"),
        (section("traces", "queue_spans_max = 0"), ":2: key `traces.queue_spans_max`", "give it 1 or more"),
        (section("listen", "admin_token = \"a b\""), ":2: key `listen.admin_token`", "without spaces"),
        (section("tls", "handshake_seconds = 0"), ":2: key `tls.handshake_seconds`", "1 or more"),
        (section("http2", "streams_max = 1000000"), ":2: key `http2.streams_max`", "lower it"),
        (section("edge", "header_fields_max = 257"), ":2: key `edge.header_fields_max`", "lower it"),
        (section("edge", "never = [\"internal\"]"), ":2: key `edge.never.0`", "/"),
        (section("edge", "hsts_seconds = 63072001"), ":2: key `edge.hsts_seconds`", "63072000; lower it"),
        (route("priority = \"urgent\""), ":3: key `routes.priority`", "`critical`"),
        (route("cache_with_cookies = [\"a b\"]"), ":3: key `routes.0.cache_with_cookies`", "letters"),
        (route("cache_with_cookies = [\"a\"]"), ":3: key `routes.0.cache_with_cookies`", "cache = true"),
        (route("first_byte_ms = 0"), ":3: key `routes.0.first_byte_ms`", "1 or more"),
        (route("answer_idle_ms = 0"), ":3: key `routes.0.answer_idle_ms`", "1 or more"),
        (route("total_ms = 86400001"), ":3: key `routes.0.total_ms`", "86400000; lower it"),
        (pool("answer_idle_ms = 0"), ":6: key `pools.main.answer_idle_ms`", "1 or more"),
        (pool("idle_seconds = 0"), ":6: key `pools.main.idle_seconds`", "1 or more"),
        (pool("write_ms = 0"), ":6: key `pools.main.write_ms`", "1 or more"),
        (pool("[pools.main.health]\nrise = 0"), ":7: key `pools.main.health.rise`", "1 or more"),
        (pool("[pools.main.health]\nfall = 0"), ":7: key `pools.main.health.fall`", "1 or more"),
        (
            pool("[pools.main.outlier]\nrequests_min = 0"),
            ":7: key `pools.main.outlier.requests_min`",
            "1 or more",
        ),
        (
            pool("[pools.main.outlier]\nejected_percent_max = 101"),
            ":7: key `pools.main.outlier.ejected_percent_max`",
            "100; lower it",
        ),
        (
            ENDING.replace("\"127.0.0.1:1\"", "{ address = \"127.0.0.1:1\", weight = 17 }"),
            ":5: key `pools.main.endpoints.0`",
            "weight must be 1 to 16",
        ),
    ]);
}

#[test]
fn a_certificate_that_cannot_be_shown_is_said_so() {
    let directory = directory();
    let file = directory.join("cert.pem");
    std::fs::write(&file, "nothing").expect("written");
    let tls = "[listen]\ntls = \"127.0.0.1:8443\"\n[[tls.certificates]]";
    for (certificate, wanted) in
        [("/nowhere.pem", "/nowhere.pem"), (file.to_str().expect("text"), "no certificate")]
    {
        let line =
            complaint(&format!("{tls}\ncertificate = {certificate:?}\nkey = {certificate:?}\n{ENDING}"), &[]);
        assert!(line.contains("key `tls.certificates`") && line.contains(wanted), "{line}");
    }
    std::fs::remove_dir_all(&directory).expect("removed");
}

#[test]
fn a_wrong_policy_key_or_part_to_hash_on_says_what_would_be_right() {
    let pool = |keys: &str| format!("{ENDING}{keys}\n");
    let route = |hash_on: &str| ENDING.replace("/**\"", &format!("/**\"\nhash_on = \"{hash_on}\""));
    let affinity = |keys: &str| format!("[affinity]\nkeys = {keys}\n{ENDING}");
    let cases = [
        (pool("policy = \"fastest\""), ":6: key `pools.main.policy`", "`round_robin`"),
        (
            pool("load_factor = 1"),
            ":6: key `pools.main.load_factor`: 1 is not a bound",
            "such as 1.25, or 0 for none",
        ),
        (pool("load_factor = nan"), ":6: key `pools.main.load_factor`", "such as 1.25"),
        (pool("load_factor = -0.5"), ":6: key `pools.main.load_factor`", "such as 1.25"),
        (pool("load_factor = 101"), ":6: key `pools.main.load_factor`", "at most 100"),
        (
            pool("policy = \"round_robin\"\nload_factor = 2"),
            ":7: key `pools.main.load_factor`: this policy does not hash",
            "use `ring_hash` or `maglev`",
        ),
        (
            pool("policy = \"least_request\"\nhash_on = \"client\""),
            ":7: key `pools.main.hash_on`: the policy of the pool does not hash",
            "remove it",
        ),
        (
            pool("hash_on = \"header\""),
            ":6: key `pools.main.hash_on`: `header` is nothing to hash on",
            "`header:NAME`",
        ),
        (pool("hash_on = \"path:0\""), ":6: key `pools.main.hash_on`", "the first is `path:1`"),
        (
            route("cookie:a=b"),
            ":3: key `routes.0.hash_on`: `a=b` is not the name of a cookie",
            "`cookie:tenant`",
        ),
        (affinity("[\"too short\"]"), ":2: key `affinity.keys.0`", "openssl rand -hex 32"),
        (affinity("7"), ":2: key `affinity.keys`", "expected a list of keys"),
        (affinity(&format!("{:?}", vec!["x".repeat(32); 9])), ":2: key `affinity.keys`", "remove the oldest"),
    ];
    for (config, place, way_out) in cases {
        let line = complaint(&config, &[]);
        assert!(line.contains(place) && line.contains(way_out), "wanted {place} … {way_out}, got {line}");
        assert!(!line.contains("too short"), "a key was shown: {line}");
    }
}

#[test]
fn keys_may_come_from_the_environment_with_commas_between() {
    let variable = "MARQUEE_BALANCER__AFFINITY__KEYS";
    let (one, other) = ("a".repeat(32), "b".repeat(32));
    for keys in [one.clone(), format!("{one}, {other}"), format!("[{one:?}, {other:?}]")] {
        let output = balancer(ENDING, &[(variable, &keys)], true);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let line = complaint(ENDING, &[(variable, &format!("{one},short"))]);
    assert!(line.contains(&format!("environment variable {variable}")) && !line.contains("short,"), "{line}");
}

#[test]
fn a_health_check_asks_for_a_path() {
    for wrong in ["/ready\\tz", "/ready z", "readyz", "*", "/readyz#now", "http://elsewhere/readyz", ""] {
        let line = complaint(&format!("{ENDING}[pools.main.health]\npath = \"{wrong}\"\n"), &[]);
        assert!(line.contains(":7: key `pools.main.health.path`") && line.contains("\"/readyz\""), "{line}");
    }
}

#[test]
fn the_environment_overrides_and_is_named_when_it_is_wrong() {
    let good = [
        (
            "MARQUEE_BALANCER__POOLS__MAIN__ENDPOINTS",
            "[\"127.0.0.1:7\", { address = \"127.0.0.1:8\", weight = 2 }]",
        ),
        ("MARQUEE_BALANCER__LISTEN__PUBLIC", "127.0.0.1:9"),
        ("MARQUEE_BALANCER__EDGE__HEADER_SECONDS", "3"),
        ("MARQUEE_BALANCER__ROUTES__0__CACHE", "true"),
        ("MARQUEE_RESERVATIONS__HOLD_SECONDS", "5"),
    ];
    let output = balancer(ENDING, &good, true);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let wrong = [
        ("MARQUEE_BALANCER__EDGE__HEADER_SECONDS", "soon", "invalid type: string"),
        ("MARQUEE_BALANCER__EDGE__COLOUR", "1", "unknown field `colour`"),
        ("MARQUEE_BALANCER__POOLS__MAIN__ENDPOINTS", "[\"nowhere\"]", "ip:port"),
        ("MARQUEE_BALANCER__ROUTES__7__POOL", "main", "not an index below 1"),
    ];
    for (variable, value, why) in wrong {
        let line = complaint(ENDING, &[(variable, value)]);
        assert!(line.contains(&format!("environment variable {variable}")) && line.contains(why), "{line}");
    }
}

#[test]
fn a_port_in_use_is_one_line() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("bind");
    let address = taken.local_addr().expect("bound");
    let output = balancer(&format!("[listen]\npublic = \"{address}\"\n{ENDING}"), &[], false);
    let text = String::from_utf8(output.stderr).expect("text");
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(
        text.contains("listen.public") && text.contains(&address.to_string()) && text.contains("in use"),
        "{text}"
    );
}
