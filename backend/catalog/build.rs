//! The web client is embedded: a file added to `web/` must lead to a new binary.

fn main() {
    println!("cargo:rerun-if-changed=web");
    println!("cargo:rerun-if-changed=migrations");
}
