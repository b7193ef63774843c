//! The floors of DESIGN, section 3: who may import whom.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, MetadataCommand};

/// The table. `testkit` is for tests only, and anybody's there.
const MAY_IMPORT: [(&str, &[&str]); 9] = [
    ("balancer", &[]),
    ("domain", &[]),
    ("service", &[]),
    ("catalog", &["domain", "service"]),
    ("reservations", &["domain", "service"]),
    ("waitlist", &["domain", "service"]),
    ("testkit", &["domain", "service"]),
    ("cache-warmer", &["catalog", "domain", "service"]),
    ("drill", &["domain"]),
];

#[test]
fn nobody_imports_what_the_table_does_not_allow() {
    let metadata = MetadataCommand::new().no_deps().exec().unwrap();
    let table: BTreeMap<_, BTreeSet<_>> =
        MAY_IMPORT.iter().map(|(name, allowed)| (*name, allowed.iter().copied().collect())).collect();
    let ours: BTreeSet<_> = metadata.packages.iter().map(|package| package.name.as_str()).collect();
    assert_eq!(ours, table.keys().copied().collect(), "the table names every crate");

    let mut refused = Vec::new();
    for package in &metadata.packages {
        let allowed = &table[package.name.as_str()];
        for dependency in
            package.dependencies.iter().filter(|dependency| ours.contains(dependency.name.as_str()))
        {
            let name = dependency.name.as_str();
            let testing = name == "testkit" && dependency.kind == DependencyKind::Development;
            if !allowed.contains(name) && !testing {
                refused.push(format!("{} imports {name}", package.name));
            }
        }
    }
    assert!(refused.is_empty(), "{refused:?}");
}

#[test]
fn a_dependency_has_one_version_and_it_stands_in_the_workspace() {
    let metadata = MetadataCommand::new().no_deps().exec().unwrap();
    let mut versions: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for dependency in metadata.packages.iter().flat_map(|package| &package.dependencies) {
        versions.entry(dependency.name.clone()).or_default().insert(dependency.req.to_string());
    }
    versions.retain(|_, requirements| requirements.len() > 1);
    assert!(versions.is_empty(), "{versions:?}");
}
