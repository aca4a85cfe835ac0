//! Tests of what kernels.toml may say.

use super::*;

const KERNELS: &str = include_str!("../../kernels.toml");

const ONE: &str = "
[tests]
core = [\"cofferdam::launch\", \"cofferdam\"]
few = [\"cofferdam::launch::one\"]
[[kernel]]
name = \"6.1\"
suite = \"bookworm\"
release = \"6.1.\"
by_default = \"few\"
tests = \"core\"
sessions = [\"root\", \"user\"]
lsm = \"landlock,yama\"
landlock_abi = 2
missing = [\"landlock_network\", \"landlock_scope\"]
";

fn error(text: &str) -> String {
    format!("{:#}", Expectations::parse(text).unwrap_err())
}

#[test]
fn the_file_that_ships_is_whole_and_runs_two_kernels_by_default() {
    let read = Expectations::parse(KERNELS).unwrap();
    assert_eq!(read.kernels(&Choice::Default).unwrap().len(), 2);
    assert!(read.kernels(&Choice::All).unwrap().len() > 2);
}

#[test]
fn some_kernel_that_ships_lacks_each_layer_of_landlock_and_some_kernel_has_it() {
    let read = Expectations::parse(KERNELS).unwrap();
    for layer in ["landlock", "landlock_network", "landlock_scope", "memory_deny_write_execute"] {
        let lacking = read.kernels.iter().filter(|kernel| kernel.missing.contains(layer)).count();
        assert!(0 < lacking && lacking < read.kernels.len(), "{layer}");
    }
}

#[test]
fn layers_that_contradict_the_abi_are_an_error_that_names_kernel_and_layer() {
    let all_there = ONE.replace("\"landlock_network\", ", "");
    assert_eq!(
        error(&all_there),
        "kernel 6.1: `missing` and landlock_abi 2 contradict each other: landlock_network"
    );
    let too_new = ONE.replace("landlock_abi = 2", "landlock_abi = 6");
    assert!(error(&too_new).contains("landlock_network"));
}

#[test]
fn a_kernel_whose_list_is_not_there_is_an_error() {
    assert_eq!(
        error(&ONE.replace("tests = \"core\"", "tests = \"ful\"")),
        "kernel 6.1: [tests] has no list \"ful\""
    );
}

#[test]
fn without_a_name_a_kernel_runs_its_short_list_and_otherwise_its_long_one() {
    let read = Expectations::parse(ONE).unwrap();
    let kernel = read.kernels.first().unwrap();
    assert_eq!(read.listed(kernel, &Choice::Default).unwrap(), ["cofferdam::launch::one"]);
    let named = Choice::Named(vec!["6.1".to_owned()]);
    assert_eq!(read.listed(kernel, &named).unwrap(), ["cofferdam::launch", "cofferdam"]);
}

#[test]
fn checkers_run_their_own_list_as_root_on_the_kernels_that_have_them() {
    let without = Expectations::parse(ONE).unwrap();
    assert_eq!(without.kernels(&Choice::Checkers(Vec::new())).unwrap().len(), 0);
    let text = ONE.replace("tests = \"core\"", "tests = \"core\"\ncheckers = true");
    let text = text.replace("[tests]", "[tests]\ncheckers = [\"cofferdam::checkers\"]");
    let read = Expectations::parse(&text).unwrap();
    for names in [Vec::new(), vec!["6.1".to_owned()]] {
        let choice = Choice::Checkers(names);
        let kernel = *read.kernels(&choice).unwrap().first().unwrap();
        assert_eq!(read.listed(kernel, &choice).unwrap(), ["cofferdam::checkers"]);
        assert_eq!(Expectations::sessions(kernel, &choice), BTreeSet::from([SessionName::Root]));
    }
}

#[test]
fn a_test_program_that_is_in_no_list_and_not_left_out_is_found() {
    let left_out = "[left_out]\n\"cofferdam::pages\" = \"asks the kernel nothing\"\n";
    let read = Expectations::parse(&format!("{ONE}{left_out}")).unwrap();
    let programs = ["cofferdam::launch", "cofferdam::pages", "cofferdam::new", "cofferdam-node::rpc"];
    let programs = programs.map(str::to_owned).into();
    assert_eq!(read.unlisted(&programs), ["cofferdam::new"]);
    assert_eq!(read.left_out("cofferdam::pages::one"), Some("asks the kernel nothing"));
    assert_eq!(read.left_out("cofferdam::launch::one"), None);
    assert!(
        error(&format!("{ONE}{}", left_out.replace("asks the kernel nothing", ""))).contains("no reason")
    );
}

#[test]
fn what_only_root_can_pass_must_fail_for_a_user() {
    let read = Expectations::parse(&format!("root_only = [\"cofferdam::launch::a\"]\n{ONE}")).unwrap();
    let kernel = read.kernels.first().unwrap();
    let why = |session| read.failure(kernel, session, "cofferdam::launch::a").map(|stated| stated.why);
    assert_eq!(why(SessionName::User), Some(ROOT_ONLY));
    assert_eq!((why(SessionName::Root), why(SessionName::RootV1)), (None, None));
}

#[test]
fn a_key_that_is_unknown_is_an_error() {
    assert!(error(&ONE.replace("by_default", "default")).contains("unknown field `default`"));
}

#[test]
fn a_failure_holds_for_the_kernels_and_sessions_that_it_names() {
    let text =
        format!("{ONE}[[failure]]\ntest = \"cofferdam::launch::a\"\nsessions = [\"user\"]\nwhy = \"no\"\n");
    let read = Expectations::parse(&text).unwrap();
    let kernel = &read.kernels.first().unwrap();
    let stated = Stated { why: "no", says: "" };
    assert_eq!(read.failure(kernel, SessionName::User, "cofferdam::launch::a"), Some(stated));
    assert_eq!(read.failure(kernel, SessionName::Root, "cofferdam::launch::a"), None);
    assert_eq!(read.failure(kernel, SessionName::User, "cofferdam::launch::b"), None);
    let elsewhere = text.replace("why =", "kernels = [\"6.2\"]\nwhy =");
    assert!(error(&elsewhere).contains("there is no kernel Some(\"6.2\")"));
}

#[test]
fn what_is_stated_of_a_test_that_is_gone_is_found() {
    let text = format!(
        "root_only = [\"cofferdam::launch::moved\"]\n{ONE}[left_out]\n\"cofferdam::launch::old\" = \"no\"\n\
         [[failure]]\ntest = \"cofferdam::launch::gone\"\nwhy = \"no\"\n"
    );
    let read = Expectations::parse(&text).unwrap();
    let programs = BTreeSet::from(["cofferdam::launch"]);
    let stated = ["cofferdam::launch::gone", "cofferdam::launch::moved", "cofferdam::launch::old"];
    assert_eq!(read.unknown(&programs, &BTreeSet::from(["cofferdam::launch::a"])), stated);
    assert!(read.unknown(&programs, &BTreeSet::from(stated)).is_empty());
}

#[test]
fn an_entry_means_a_program_or_the_tests_whose_names_begin_so() {
    assert!(means("a::launch", "a::launch::one") && means("a", "a::one"));
    assert!(!means("a::launch", "a::launch2::one") && !means("a", "a2::one"));
    assert!(means("a::launch::on", "a::launch::one") && !means("a::launch::on", "a::launch::two"));
    assert_eq!(
        (program("a::launch::on"), program("a::launch"), program("a")),
        ("a::launch", "a::launch", "a")
    );
}

#[test]
fn a_kernel_that_is_not_stated_cannot_be_chosen() {
    let read = Expectations::parse(ONE).unwrap();
    let error = read.kernels(&Choice::Named(vec!["6.2".to_owned()])).unwrap_err();
    assert_eq!(error.to_string(), "no kernel is called \"6.2\"; there are: 6.1");
}
