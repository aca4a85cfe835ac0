//! Which module serves which JSON-RPC method. A table and its rules; nothing is called here.

use std::collections::{BTreeMap, BTreeSet};

use cofferdam_manifest::ModuleName;

/// How many methods one module may register.
const MAX_PER_MODULE: usize = 64;
/// The longest description, in characters.
const MAX_DESCRIPTION_CHARS: usize = 256;
/// The longest name of a method, without the module's.
const MAX_METHOD_BYTES: usize = 64;

/// All registered methods, by their full names.
#[derive(Debug, Default)]
pub struct Endpoints {
    by_full_name: BTreeMap<String, Endpoint>,
    /// Whose names begin full names, whether or not they have registered anything.
    modules: BTreeSet<ModuleName>,
}

/// One registered method.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Who serves it.
    pub module: ModuleName,
    /// Its name there.
    pub method: String,
    /// What it does, in one line.
    pub description: String,
}

/// Why a method was not registered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegisterError {
    /// Not a method's name.
    #[error(
        "{} is not a method's name: it begins with a-z, goes on with a-z, 0-9 or _ and has up to {MAX_METHOD_BYTES} characters",
        quoted(.0)
    )]
    Method(String),
    /// Not a description.
    #[error(
        "the description of method {method} is not one line of up to {MAX_DESCRIPTION_CHARS} printable characters"
    )]
    Description {
        /// The method's name, which is a valid one.
        method: String,
    },
    /// The name is taken.
    #[error(
        "method {method} of module {module} would be called {full_name}, as method {holder_method} of module {holder} is already: choose another name"
    )]
    Taken {
        /// The name that both would have.
        full_name: String,
        /// Whose method was refused.
        module: ModuleName,
        /// The method that was refused.
        method: String,
        /// Whose method has the name.
        holder: ModuleName,
        /// The method that has the name.
        holder_method: String,
    },
    /// The name is one that a method of another module would have, which may register it later.
    #[error(
        "method {method} of module {module} would be called {full_name}, as only methods of module {owner} are: choose another name"
    )]
    OfAnother {
        /// The name that it would have.
        full_name: String,
        /// Whose method was refused.
        module: ModuleName,
        /// The method that was refused.
        method: String,
        /// Whose methods have such names.
        owner: ModuleName,
    },
    /// The module has as many as it may have.
    #[error("module {0} has registered {MAX_PER_MODULE} methods already: unregister one first")]
    TooMany(ModuleName),
}

impl Endpoints {
    /// From now on `module` alone has full names that begin with its name, so that a module of a shorter name cannot
    /// answer in its place. Of two modules whose names begin alike but for `-` and `_`, the first to register has it.
    pub fn expect_module(&mut self, module: &ModuleName) {
        self.modules.insert(module.clone());
    }

    /// Adds a method and returns the full name by which clients call it.
    ///
    /// # Errors
    /// [`RegisterError`]; then nothing has changed.
    pub fn register(
        &mut self,
        module: &ModuleName,
        method: &str,
        description: &str,
    ) -> Result<String, RegisterError> {
        check_method(method)?;
        check_description(method, description)?;
        let full_name = full_name(module, method);
        if let Some(owner) = self.owner(&full_name, module) {
            let (module, method, owner) = (module.clone(), method.to_owned(), owner.clone());
            return Err(RegisterError::OfAnother { full_name, module, method, owner });
        }
        if let Some(holder) = self.by_full_name.get(&full_name) {
            return Err(RegisterError::Taken {
                full_name,
                module: module.clone(),
                method: method.to_owned(),
                holder: holder.module.clone(),
                holder_method: holder.method.clone(),
            });
        }
        if self.of(module).count() >= MAX_PER_MODULE {
            return Err(RegisterError::TooMany(module.clone()));
        }
        let endpoint = Endpoint {
            module: module.clone(),
            method: method.to_owned(),
            description: description.to_owned(),
        };
        self.by_full_name.insert(full_name.clone(), endpoint);
        Ok(full_name)
    }

    /// Removes a method of `module` and says whether there was one.
    pub fn unregister(&mut self, module: &ModuleName, method: &str) -> bool {
        let full_name = full_name(module, method);
        let is_its_own = |held: &Endpoint| held.module == *module && held.method == method;
        self.by_full_name.get(&full_name).is_some_and(is_its_own)
            && self.by_full_name.remove(&full_name).is_some()
    }

    /// Removes whatever `module` has registered.
    pub fn remove_module(&mut self, module: &ModuleName) {
        self.by_full_name.retain(|_, endpoint| endpoint.module != *module);
    }

    /// The method that is called by `full_name`.
    #[must_use]
    pub fn resolve(&self, full_name: &str) -> Option<&Endpoint> {
        self.by_full_name.get(full_name)
    }

    /// All full names and their methods, in the order of the names.
    pub fn list(&self) -> impl Iterator<Item = (&str, &Endpoint)> {
        self.by_full_name.iter().map(|(full_name, endpoint)| (full_name.as_str(), endpoint))
    }

    /// The module of a longer name than that of `module` with which `full_name` begins as well.
    fn owner(&self, full_name: &str, module: &ModuleName) -> Option<&ModuleName> {
        let begins = |other: &&ModuleName| {
            other.as_str().len() > module.as_str().len() && full_name.starts_with(&self::full_name(other, ""))
        };
        self.modules.iter().find(begins)
    }

    fn of<'e>(&'e self, module: &'e ModuleName) -> impl Iterator<Item = &'e Endpoint> {
        self.by_full_name.values().filter(move |endpoint| endpoint.module == *module)
    }
}

/// `<module>_<method>`, by which clients call it. `-` becomes `_`, because clients turn names of methods into names
/// of functions.
fn full_name(module: &ModuleName, method: &str) -> String {
    format!("{}_{method}", module.as_str().replace('-', "_"))
}

fn check_method(method: &str) -> Result<(), RegisterError> {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    let valid = method.len() <= MAX_METHOD_BYTES
        && method.starts_with(|first: char| first.is_ascii_lowercase())
        && method.bytes().all(allowed);
    if valid { Ok(()) } else { Err(RegisterError::Method(method.to_owned())) }
}

fn check_description(method: &str, description: &str) -> Result<(), RegisterError> {
    let valid = description.chars().take(MAX_DESCRIPTION_CHARS + 1).count() <= MAX_DESCRIPTION_CHARS
        && !description.chars().any(is_unprintable);
    if valid { Ok(()) } else { Err(RegisterError::Description { method: method.to_owned() }) }
}

/// Whether a character could make a terminal show something else than what is there: controls, separators of lines,
/// and those that hide or turn the direction of what follows.
fn is_unprintable(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// The beginning of a name that is no name.
fn quoted(name: &str) -> String {
    let beginning: String = name.chars().take(MAX_METHOD_BYTES).collect();
    if beginning.len() < name.len() { format!("{beginning:?}...") } else { format!("{beginning:?}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> ModuleName {
        ModuleName::new(text).unwrap()
    }

    #[test]
    fn a_method_is_called_by_its_modules_name_and_its_own() {
        let mut endpoints = Endpoints::default();
        assert_eq!(
            endpoints.register(&name("fee-watch"), "estimate", "Fees."),
            Ok("fee_watch_estimate".to_owned())
        );
        let endpoint = endpoints.resolve("fee_watch_estimate").unwrap();
        assert_eq!((endpoint.module.as_str(), endpoint.method.as_str()), ("fee-watch", "estimate"));
        assert_eq!(endpoints.resolve("fee-watch_estimate"), None);
        assert_eq!(
            endpoints.list().map(|(full_name, _)| full_name).collect::<Vec<_>>(),
            ["fee_watch_estimate"]
        );
    }

    #[test]
    fn two_ways_to_one_full_name_are_refused_and_both_are_named() {
        let mut endpoints = Endpoints::default();
        endpoints.register(&name("a-b"), "c", "").unwrap();
        for (module, method) in [("a", "b_c"), ("a_b", "c"), ("a-b", "c")] {
            let error = endpoints.register(&name(module), method, "").unwrap_err().to_string();
            let expected = format!(
                "method {method} of module {module} would be called a_b_c, as method c of module a-b is already: \
                 choose another name"
            );
            assert_eq!(error, expected);
        }
        assert_eq!(endpoints.list().count(), 1);
    }

    #[test]
    fn a_module_of_a_shorter_name_cannot_answer_in_the_place_of_one_that_comes_later() {
        let mut endpoints = Endpoints::default();
        ["wallet", "wallet-cold"].iter().for_each(|module| endpoints.expect_module(&name(module)));
        let error = endpoints.register(&name("wallet"), "cold_send", "").unwrap_err().to_string();
        let expected = "method cold_send of module wallet would be called wallet_cold_send, as only methods of \
                        module wallet-cold are: choose another name";
        assert_eq!(error, expected);
        assert_eq!(endpoints.register(&name("wallet-cold"), "send", ""), Ok("wallet_cold_send".to_owned()));
        let free =
            [("wallet", "cold"), ("wallet", "coldsend"), ("wallet", "send"), ("other", "wallet_cold_send")];
        for (module, method) in free {
            endpoints.register(&name(module), method, "").unwrap();
        }
    }

    #[test]
    fn a_module_removes_its_own_methods_only() {
        let mut endpoints = Endpoints::default();
        endpoints.register(&name("a-b"), "c", "").unwrap();
        assert!(!endpoints.unregister(&name("a"), "b_c"));
        assert!(!endpoints.unregister(&name("a_b"), "c"));
        assert!(endpoints.unregister(&name("a-b"), "c"));
        assert!(!endpoints.unregister(&name("a-b"), "c"));
        endpoints.register(&name("a"), "b_c", "").unwrap();
        endpoints.register(&name("a-b"), "d", "").unwrap();
        endpoints.remove_module(&name("a"));
        assert_eq!(endpoints.list().map(|(full_name, _)| full_name).collect::<Vec<_>>(), ["a_b_d"]);
    }

    #[test]
    fn a_module_registers_64_methods_and_no_more() {
        let mut endpoints = Endpoints::default();
        for number in 0..MAX_PER_MODULE {
            endpoints.register(&name("a"), &format!("m{number}"), "").unwrap();
        }
        let error = endpoints.register(&name("a"), "one_more", "").unwrap_err();
        assert_eq!(error, RegisterError::TooMany(name("a")));
        endpoints.register(&name("b"), "one_more", "").unwrap();
        assert!(endpoints.unregister(&name("a"), "m0"));
        endpoints.register(&name("a"), "one_more", "").unwrap();
    }

    #[test]
    fn names_and_descriptions_that_would_mislead_are_refused() {
        let mut endpoints = Endpoints::default();
        let long = "x".repeat(65);
        for method in ["", "1a", "_a", "A", "a-b", "a b", "a\0", "\u{e4}", &long] {
            let error = endpoints.register(&name("a"), method, "").unwrap_err();
            assert_eq!(error, RegisterError::Method(method.to_owned()));
            assert!(error.to_string().len() < 250);
        }
        let long = "x".repeat(257);
        for description in ["a\nb", "\x1b[2J", "\u{202e}evil", "\u{200b}", &long] {
            let error = endpoints.register(&name("a"), "b", description).unwrap_err();
            assert_eq!(error, RegisterError::Description { method: "b".to_owned() });
        }
        endpoints.register(&name("a"), &"x".repeat(64), &"\u{fc}".repeat(256)).unwrap();
    }
}
