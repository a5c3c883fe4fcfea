//! How a test says that it did not run.

/// Says why a test does not run. In the lab every test must.
pub fn skip(test: &str, reason: &str) {
    assert!(std::env::var_os("TRUNKLINE_LAB").is_none(), "{test}: a skip in the lab: {reason}");
    eprintln!("SKIP {test}: {reason}");
}
