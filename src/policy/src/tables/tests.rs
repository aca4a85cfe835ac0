#[test]
fn every_policy_file_parses() {
    if let Err(error) = super::Tables::parse(&super::Sources::BUILTIN) {
        panic!("{error}");
    }
}
