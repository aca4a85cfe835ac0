//! The methods that modules register for JSON-RPC clients.

use std::collections::BTreeSet;

use cofferdam_control::is_deceptive;
use cofferdam_manifest::ModuleName;
use cofferdam_rpc::Endpoints;

/// The most steps of one input.
const MAX_STEPS: usize = 256;

/// The most methods of a module, as the documentation has it.
const MAX_METHODS: usize = 64;

/// Steps, one a line, fields divided by tabs: module, method, description. A `-` before the module unregisters the method,
/// a `!` removes the module.
pub(crate) fn endpoints(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let mut endpoints = Endpoints::default();
    for line in text.split('\n').take(MAX_STEPS) {
        step(&mut endpoints, line);
        holds(&endpoints);
    }
}

fn step(endpoints: &mut Endpoints, line: &str) {
    let mut fields = line.splitn(3, '\t');
    let mut next = || fields.next().unwrap_or_default();
    let (who, method, description) = (next(), next(), next());
    let bare = who.trim_start_matches(['-', '!']);
    let Ok(module) = ModuleName::new(bare) else { return };
    let own = |endpoints: &Endpoints| endpoints.list().filter(|(_, method)| method.module == module).count();
    let before = own(endpoints);
    if who.starts_with('!') {
        endpoints.remove_module(&module);
        assert_eq!(own(endpoints), 0);
    } else if who.starts_with('-') {
        let removed = endpoints.unregister(&module, method);
        assert_eq!(own(endpoints), before - usize::from(removed));
    } else {
        match endpoints.register(&module, method, description) {
            Ok(full_name) => {
                let registered = endpoints.resolve(&full_name).expect("it is registered");
                assert_eq!((&registered.module, registered.method.as_str()), (&module, method));
                assert_eq!(own(endpoints), before + 1, "it takes nobody's place");
            }
            Err(error) => {
                assert!(error.to_string().len() < 2048, "an error is bounded");
                assert_eq!(own(endpoints), before);
            }
        }
    }
}

fn holds(endpoints: &Endpoints) {
    let mut names = BTreeSet::new();
    for (full_name, endpoint) in endpoints.list() {
        assert!(names.insert(full_name), "{full_name} twice");
        let shown = full_name.chars().chain(endpoint.description.chars()).find(|shown| is_deceptive(*shown));
        assert_eq!(shown, None, "in the help text");
        let own = endpoints.list().filter(|(_, other)| other.module == endpoint.module).count();
        assert!(own <= MAX_METHODS, "{own} methods of one module");
    }
}
