//! Claims about small sets of modules, and about every set there is.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;

/// A manifest from one line: `a 1.0.0 b>=1.0.0 c?=2.0.0`, where `?` marks an optional dependency.
fn manifest(line: &str) -> Manifest {
    let mut words = line.split(' ');
    let (name, version) = (words.next().expect("a name"), words.next().expect("a version"));
    let rows = |words: Vec<&str>| -> String {
        let row = |word: &str| {
            let (name, constraint) =
                word.split_at(word.find(['>', '<', '=', '^', '~']).expect("an operator"));
            format!("{} = '{constraint}'\n", name.trim_end_matches('?'))
        };
        words.into_iter().map(row).collect()
    };
    let (optional, required): (Vec<&str>, Vec<&str>) = words.partition(|word| word.contains('?'));
    let (required, optional) = (rows(required), rows(optional));
    let text = format!(
        "name = '{name}'\nversion = '{version}'\nentry_point = 'm'\n[dependencies]\n{required}[optional_dependencies]\n{optional}"
    );
    Manifest::parse(name, &text).unwrap_or_else(|error| panic!("{error}"))
}

fn resolved(lines: &[&str]) -> Resolution {
    resolve(&lines.iter().map(|line| manifest(line)).collect::<Vec<_>>())
}

fn order(resolution: &Resolution) -> Vec<&str> {
    resolution.order.iter().map(ModuleName::as_str).collect()
}

fn refusals(resolution: &Resolution) -> Vec<String> {
    resolution.refused.values().map(ToString::to_string).collect()
}

fn notes(resolution: &Resolution) -> Vec<String> {
    resolution.notes.iter().map(ToString::to_string).collect()
}

#[test]
fn nothing_resolves_to_nothing() {
    assert_eq!(resolve(&[]), Resolution::default());
}

#[test]
fn dependencies_start_first_and_names_decide_the_rest() {
    let resolution = resolved(&["a 1.0.0 z>=1.0.0", "c 1.0.0", "b 1.0.0", "z 1.0.0"]);
    assert_eq!(order(&resolution), ["b", "c", "z", "a"]);
    assert!(resolution.refused.is_empty() && resolution.notes.is_empty());
}

#[test]
fn a_missing_module_refuses_who_needs_it_and_names_the_chain() {
    let resolution = resolved(&["a 1.0.0 b>=1.0.0", "b 1.0.0 c>=1.0.0", "d 1.0.0"]);
    assert_eq!(order(&resolution), ["d"]);
    assert_eq!(
        refusals(&resolution),
        [
            "a -> b -> c: c is not installed; install it or remove it from [dependencies] of b",
            "b -> c: c is not installed; install it or remove it from [dependencies] of b",
        ]
    );
}

#[test]
fn an_unmet_version_refuses_who_asks_and_not_who_is_asked() {
    let resolution = resolved(&["a 1.0.0 b>=2.0.0", "b 1.5.0"]);
    assert_eq!(order(&resolution), ["b"]);
    assert_eq!(
        refusals(&resolution),
        ["a -> b: a asks for b >=2.0.0 and 1.5.0 is installed; install a version that matches or change \
          [dependencies] of a"]
    );
}

#[test]
fn a_cycle_refuses_its_modules_and_those_that_need_them_and_no_other() {
    let resolution = resolved(&[
        "a 1.0.0 b>=1.0.0",
        "b 1.0.0 c>=1.0.0",
        "c 1.0.0 b>=1.0.0 d>=1.0.0",
        "d 1.0.0",
        "e 1.0.0 d=1.0.0",
    ]);
    assert_eq!(order(&resolution), ["d", "e"]);
    let why = "modules need each other; remove one of them from [dependencies] of another";
    assert_eq!(
        refusals(&resolution),
        [format!("a -> b -> c -> b: {why}"), format!("b -> c -> b: {why}"), format!("c -> b -> c: {why}")]
    );
}

#[test]
fn two_modules_of_one_name_are_refused_whichever_comes_first() {
    let resolution = resolved(&["a 1.0.0", "a 2.0.0", "b 1.0.0 a>=2.0.0"]);
    assert_eq!(resolution, resolved(&["b 1.0.0 a>=2.0.0", "a 2.0.0", "a 1.0.0"]));
    assert!(resolution.order.is_empty());
    assert_eq!(
        refusals(&resolution),
        [
            "a: more than one module has the name a; rename or remove all but one",
            "b -> a: more than one module has the name a; rename or remove all but one",
        ]
    );
}

#[test]
fn an_optional_dependency_starts_first_where_it_is_present() {
    let resolution = resolved(&["a 1.0.0 z?>=1.0.0 y?>=1.0.0", "z 1.0.0"]);
    assert_eq!(order(&resolution), ["z", "a"]);
    assert!(resolution.notes.is_empty());
}

#[test]
fn an_optional_dependency_of_another_version_is_noted_and_not_waited_for() {
    let resolution = resolved(&["a 1.0.0 z?>=2.0.0", "z 1.0.0"]);
    assert_eq!(order(&resolution), ["a", "z"]);
    assert_eq!(notes(&resolution), ["a runs without z: it asks for >=2.0.0 and 1.0.0 is installed"]);
}

#[test]
fn an_optional_dependency_that_is_refused_refuses_nobody() {
    let resolution = resolved(&["a 1.0.0 z?>=1.0.0", "z 1.0.0 missing=1.0.0"]);
    assert_eq!(order(&resolution), ["a"]);
    assert_eq!(notes(&resolution), ["a runs without z, which does not start"]);
}

#[test]
fn an_optional_dependency_that_closes_a_cycle_is_dropped_and_noted() {
    let resolution = resolved(&["a 1.0.0 b?>=1.0.0", "b 1.0.0 a>=1.0.0", "c 1.0.0 a?>=1.0.0"]);
    assert_eq!(order(&resolution), ["a", "b", "c"]);
    assert_eq!(
        notes(&resolution),
        ["a starts without waiting for b, because that would be a cycle: a -> b -> a"]
    );
}

#[test]
fn who_waits_for_an_optional_cycle_still_waits() {
    let resolution = resolved(&["a 1.0.0 b?>=1.0.0", "b 1.0.0 c?>=1.0.0", "c 1.0.0 b?>=1.0.0"]);
    assert_eq!(order(&resolution), ["b", "a", "c"]);
}

/// Two thousand modules, each tied to the next. Resolved on a stack that recursion through them would
/// overflow: two thousand frames of any function do not fit.
fn resolved_on_a_small_stack(tie: &'static str, last: usize) -> Resolution {
    let line = |number: usize| {
        let next = if number == 1999 { last } else { number + 1 };
        format!("m{number:04} 1.0.0 m{next:04}{tie}1.0.0")
    };
    let manifests: Vec<Manifest> = (0..2000).map(|number| manifest(&line(number))).collect();
    let small = std::thread::Builder::new().stack_size(64 * 1024);
    small.spawn(move || resolve(&manifests)).expect("a thread").join().expect("no overflow")
}

#[test]
fn a_long_chain_to_a_missing_module_is_no_danger_to_the_stack_nor_to_the_reader() {
    let resolution = resolved_on_a_small_stack("=", 2000);
    assert_eq!((resolution.order.len(), resolution.refused.len()), (0, 2000));
    let first = refusals(&resolution).swap_remove(0);
    assert!(
        first.contains(" -> m0007 -> (1989 more) -> m1997 -> m1998 -> m1999 -> m2000: m2000 is "),
        "{first}"
    );
}

#[test]
fn a_long_cycle_is_no_danger_to_the_stack() {
    let resolution = resolved_on_a_small_stack("=", 0);
    assert_eq!((resolution.order.len(), resolution.refused.len()), (0, 2000));
}

#[test]
fn a_long_optional_cycle_is_cut_once() {
    let resolution = resolved_on_a_small_stack("?=", 0);
    assert_eq!((resolution.order.len(), resolution.notes.len()), (2000, 1));
}

/// Sets of up to twelve modules that tie each other in every way, some of them to modules that are missing
/// or have another version.
fn sets() -> impl Strategy<Value = Vec<Manifest>> {
    let dependency =
        (0..13_usize, prop::sample::select(vec![">=1.0.0", "=1.0.0", "^2.0.0"]), prop::bool::weighted(0.4));
    let module = (0..12_usize, 1..3_u32, prop::collection::vec(dependency, 0..4));
    prop::collection::vec(module, 0..12).prop_map(|modules| {
        let line = |(own, version, dependencies): (usize, u32, Vec<(usize, &str, bool)>)| {
            let mut line = format!("m{own} {version}.0.0");
            let mut used = BTreeSet::from([own]);
            for (name, constraint, optional) in dependencies {
                if used.insert(name) {
                    line.push_str(&format!(" m{name}{}{constraint}", if optional { "?" } else { "" }));
                }
            }
            manifest(&line)
        };
        modules.into_iter().map(line).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn the_order_of_the_manifests_does_not_matter(
        (found, shuffled) in sets().prop_flat_map(|set| (Just(set.clone()), Just(set).prop_shuffle()))
    ) {
        prop_assert_eq!(resolve(&found), resolve(&shuffled));
    }

    #[test]
    fn every_module_is_either_in_the_order_once_or_refused(set in sets()) {
        let resolution = resolve(&set);
        let names: BTreeSet<&ModuleName> = set.iter().map(Manifest::name).collect();
        let ordered: BTreeSet<&ModuleName> = resolution.order.iter().collect();
        let refused: BTreeSet<&ModuleName> = resolution.refused.keys().collect();
        prop_assert_eq!(ordered.len(), resolution.order.len());
        prop_assert!(ordered.is_disjoint(&refused));
        prop_assert_eq!(ordered.union(&refused).copied().collect::<BTreeSet<_>>(), names);
    }

    #[test]
    fn whatever_a_module_requires_starts_before_it_in_a_version_that_matches(set in sets()) {
        let resolution = resolve(&set);
        for (place, name) in resolution.order.iter().enumerate() {
            let module = set.iter().find(|module| module.name() == name).expect("a module of the set");
            for (dependency, constraint) in module.dependencies() {
                prop_assert!(resolution.order[..place].contains(dependency), "{name} before {dependency}");
                let dependency = set.iter().find(|module| module.name() == dependency).expect("ordered");
                prop_assert!(constraint.matches(dependency.version()));
            }
        }
    }

    #[test]
    fn an_optional_dependency_that_could_be_used_starts_first_or_is_noted(set in sets()) {
        let resolution = resolve(&set);
        let noted: BTreeSet<(&ModuleName, &ModuleName)> = resolution.notes.iter().map(|note| match note {
            Note::Version { module, dependency, .. }
            | Note::Refused { module, dependency }
            | Note::Cycle { module, dependency, .. } => (module, dependency),
        }).collect();
        for (place, name) in resolution.order.iter().enumerate() {
            let module = set.iter().find(|module| module.name() == name).expect("a module of the set");
            for dependency in module.optional_dependencies().keys() {
                let absent = set.iter().all(|module| module.name() != dependency);
                let first = resolution.order[..place].contains(dependency);
                prop_assert!(absent || first || noted.contains(&(name, dependency)), "{name} {dependency}");
            }
        }
    }

    #[test]
    fn nothing_is_refused_without_a_reason_of_its_own(set in sets()) {
        for (name, refusal) in &resolve(&set).refused {
            let chain: Vec<&ModuleName> = refusal.chain.names().collect();
            prop_assert_eq!(chain[0], name);
            for tie in chain.windows(2) {
                let requires = |module: &Manifest| module.name() == tie[0] && module.dependencies().contains_key(tie[1]);
                prop_assert!(chain.len() > 12 || set.iter().any(requires), "{refusal}");
            }
        }
    }
}
