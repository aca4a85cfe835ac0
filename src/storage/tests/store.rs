//! What a store promises while nothing fails: trees, pages, transactions, exact quotas. Never breaks a file.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on says so"
)]

use std::collections::BTreeMap;
use std::path::Path;

use cofferdam_storage::{
    Limit, MAX_BATCH_BYTES, MAX_BATCH_OPERATIONS, MAX_KEY_BYTES, MAX_VALUE_BYTES, Operation, Page, Quota,
    StorageError, Store, TreeId, Usage,
};
use proptest::prelude::*;

const ROOMY: Quota = Quota { bytes: 64 << 20, keys: 100_000, trees: 16 };

fn insert(key: &[u8], value: &[u8]) -> Operation {
    Operation::Insert { key: key.to_vec(), value: value.to_vec() }
}

fn remove(key: &[u8]) -> Operation {
    Operation::Remove { key: key.to_vec() }
}

fn expect(key: &[u8], value: Option<&[u8]>) -> Operation {
    Operation::Expect { key: key.to_vec(), value: value.map(<[u8]>::to_vec) }
}

fn fresh(quota: Quota) -> (tempfile::TempDir, Store, TreeId) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), quota).unwrap();
    let tree = store.open_tree("tree").unwrap();
    (dir, store, tree)
}

fn everything(store: &Store, tree: TreeId) -> Vec<(Vec<u8>, Vec<u8>)> {
    let page = store.page(tree, None, None, usize::MAX, usize::MAX).unwrap();
    assert!(!page.more);
    page.entries
}

#[test]
fn a_value_is_there_after_a_restart_in_its_own_tree_only() {
    let (dir, store, tree) = fresh(ROOMY);
    let other = store.open_tree("other").unwrap();
    store.insert(tree, b"key", b"value").unwrap();
    drop(store);
    let store = Store::open(dir.path(), ROOMY).unwrap();
    assert_eq!(store.get(tree, b"key").unwrap().as_deref(), Some(&b"value"[..]));
    assert!(store.contains_key(tree, b"key").unwrap());
    assert_eq!(store.get(other, b"key").unwrap(), None);
    assert!(!store.contains_key(other, b"key").unwrap());
}

#[test]
fn a_tree_keeps_its_id_when_it_is_opened_again_and_after_a_restart() {
    let (dir, store, tree) = fresh(ROOMY);
    let other = store.open_tree("other").unwrap();
    assert_ne!(tree, other);
    assert_eq!(store.open_tree("tree").unwrap(), tree);
    drop(store);
    let store = Store::open(dir.path(), ROOMY).unwrap();
    assert_eq!(store.open_tree("other").unwrap(), other);
    assert_eq!(store.trees().unwrap(), [("tree".to_owned(), tree), ("other".to_owned(), other)]);
}

#[test]
fn an_id_that_nobody_gave_out_is_refused() {
    let (_dir, store, _) = fresh(ROOMY);
    let made_up = TreeId(1);
    assert!(matches!(store.get(made_up, b"key"), Err(StorageError::UnknownTree(1))));
    assert!(matches!(store.contains_key(made_up, b"key"), Err(StorageError::UnknownTree(1))));
    assert!(matches!(store.insert(made_up, b"key", b""), Err(StorageError::UnknownTree(1))));
    assert!(matches!(store.remove(made_up, b"key"), Err(StorageError::UnknownTree(1))));
    assert!(matches!(store.page(made_up, None, None, 1, 1), Err(StorageError::UnknownTree(1))));
}

#[test]
fn a_name_that_is_not_a_name_is_refused() {
    let (_dir, store, _) = fresh(ROOMY);
    for name in ["", "a/b", "ä", "a b", "a\0", &"a".repeat(65)] {
        let refused = store.open_tree(name);
        assert!(matches!(refused, Err(StorageError::TreeName { .. })), "{name:?}: {refused:?}");
    }
    store.open_tree(&"A.z_0-".repeat(10)).unwrap();
}

#[test]
fn what_is_too_long_is_refused_and_what_is_just_as_long_as_allowed_is_kept() {
    let (_dir, store, tree) = fresh(ROOMY);
    let key = vec![1; MAX_KEY_BYTES];
    let value = vec![2; MAX_VALUE_BYTES];
    store.insert(tree, &key, &value).unwrap();
    assert_eq!(store.get(tree, &key).unwrap(), Some(value.clone()));
    let long_key = vec![1; MAX_KEY_BYTES + 1];
    let long_value = vec![2; MAX_VALUE_BYTES + 1];
    assert!(matches!(store.insert(tree, &long_key, b""), Err(StorageError::TooLong { .. })));
    assert!(matches!(store.get(tree, &long_key), Err(StorageError::TooLong { .. })));
    assert!(matches!(store.insert(tree, b"", &long_value), Err(StorageError::TooLong { .. })));
    let many = vec![remove(b""); MAX_BATCH_OPERATIONS + 1];
    assert!(matches!(store.transaction(tree, &many), Err(StorageError::TooLong { .. })));
    store.transaction(tree, &many[1..]).unwrap();
    let heavy = vec![insert(b"", &value); MAX_BATCH_BYTES / MAX_VALUE_BYTES];
    store.transaction(tree, &heavy).unwrap();
    let heavier = [heavy, vec![insert(b"1", b"")]].concat();
    assert!(matches!(store.transaction(tree, &heavier), Err(StorageError::TooLong { .. })));
}

#[test]
fn remove_says_whether_the_key_was_there() {
    let (_dir, store, tree) = fresh(ROOMY);
    store.insert(tree, b"key", b"value").unwrap();
    assert!(store.remove(tree, b"key").unwrap());
    assert!(!store.remove(tree, b"key").unwrap());
    assert_eq!(store.get(tree, b"key").unwrap(), None);
}

#[test]
fn pages_have_every_entry_of_a_prefix_once_and_in_order() {
    let (_dir, store, tree) = fresh(ROOMY);
    let other = store.open_tree("other").unwrap();
    let key = |number: u32| format!("k{number:03}").into_bytes();
    let batch: Vec<_> = (0..100).map(|number| insert(&key(number), b"0123456789")).collect();
    store.transaction(tree, &batch).unwrap();
    store.transaction(tree, &[insert(b"j", b""), insert(b"l", b"")]).unwrap();
    store.insert(other, b"k000", b"").unwrap();
    let mut keys: Vec<Vec<u8>> = Vec::new();
    let mut pages = 0;
    loop {
        let page = store.page(tree, keys.last().map(Vec::as_slice), Some(b"k"), 1000, 100).unwrap();
        pages += 1;
        keys.extend(page.entries.into_iter().map(|(key, _)| key));
        if !page.more {
            break;
        }
    }
    assert_eq!(keys, (0..100).map(key).collect::<Vec<_>>());
    assert_eq!(pages, 15, "7 entries of 14 bytes fit 100 bytes");
    let Page { entries, more } = store.page(tree, Some(b"k0"), None, 3, usize::MAX).unwrap();
    assert_eq!((entries.len(), more), (3, true));
    let Page { entries, more } = store.page(tree, Some(b"a"), Some(b"k09"), 0, 0).unwrap();
    assert_eq!((entries.len(), more), (1, true), "one entry at least, so that the asker gets on");
    assert_eq!(store.page(tree, Some(b"l"), Some(b"k"), 9, 9).unwrap(), Page::default());
}

#[test]
fn a_transaction_that_expects_another_value_changes_nothing() {
    let (_dir, store, tree) = fresh(ROOMY);
    store.insert(tree, b"a", b"1").unwrap();
    let before = (everything(&store, tree), store.usage().unwrap());
    let refused = store.transaction(tree, &[insert(b"b", b"2"), remove(b"a"), expect(b"a", Some(b"1"))]);
    assert!(matches!(refused, Err(StorageError::Conflict { operation: 2 })), "{refused:?}");
    let refused = store.transaction(tree, &[insert(b"b", b"2"), expect(b"c", Some(b""))]);
    assert!(matches!(refused, Err(StorageError::Conflict { operation: 1 })), "{refused:?}");
    assert_eq!((everything(&store, tree), store.usage().unwrap()), before);
    let steps = [expect(b"a", Some(b"1")), insert(b"a", b"2"), expect(b"a", Some(b"2")), expect(b"c", None)];
    store.transaction(tree, &steps).unwrap();
    assert_eq!(store.get(tree, b"a").unwrap().unwrap(), b"2");
}

#[test]
fn a_counter_that_eight_threads_raise_by_expectation_misses_no_step() {
    let (_dir, store, tree) = fresh(ROOMY);
    store.insert(tree, b"counter", b"0").unwrap();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            let store = store.clone();
            scope.spawn(move || (0..10).for_each(|_| while !raise(&store, tree) {}));
        }
    });
    assert_eq!(store.get(tree, b"counter").unwrap().unwrap(), b"80");
}

fn raise(store: &Store, tree: TreeId) -> bool {
    let old = store.get(tree, b"counter").unwrap().unwrap();
    let new = (std::str::from_utf8(&old).unwrap().parse::<u32>().unwrap() + 1).to_string();
    let steps = [expect(b"counter", Some(&old)), insert(b"counter", new.as_bytes())];
    store.transaction(tree, &steps).is_ok()
}

#[test]
fn quotas_hold_to_the_byte_and_the_key_and_the_tree() {
    let (_dir, store, tree) = fresh(Quota { bytes: 10, keys: 2, trees: 1 });
    let exceeded = |result, limit| matches!(result, Err(StorageError::QuotaExceeded { limit: found, .. }) if found == limit);
    store.insert(tree, b"a", b"123456789").unwrap();
    assert!(exceeded(store.insert(tree, b"a", b"1234567890"), Limit::Bytes));
    assert!(exceeded(store.insert(tree, b"b", b""), Limit::Bytes));
    store.insert(tree, b"a", b"1").unwrap();
    store.insert(tree, b"b", b"1").unwrap();
    assert!(exceeded(store.insert(tree, b"c", b""), Limit::Keys));
    assert!(exceeded(store.open_tree("second").map(drop), Limit::Trees));
    assert_eq!(store.usage().unwrap(), Usage { bytes: 4, keys: 2, trees: 1 });
    assert_eq!(store.get(tree, b"c").unwrap(), None);
    store.transaction(tree, &[remove(b"a"), insert(b"c", b"12345")]).unwrap();
    assert_eq!(store.usage().unwrap(), Usage { bytes: 8, keys: 2, trees: 1 });
}

#[test]
fn a_store_over_a_lowered_quota_can_be_emptied_but_not_filled() {
    let (dir, store, tree) = fresh(ROOMY);
    let batch: Vec<_> = (0..100_u8).map(|number| insert(&[number], &[0; 99])).collect();
    store.transaction(tree, &batch).unwrap();
    drop(store);
    let store = Store::open(dir.path(), Quota { bytes: 5000, keys: 10, trees: 1 }).unwrap();
    assert!(matches!(store.insert(tree, b"new", b""), Err(StorageError::QuotaExceeded { .. })));
    store.insert(tree, &[0], &[0; 98]).unwrap();
    store.transaction(tree, &(1..20).map(|number| remove(&[number])).collect::<Vec<_>>()).unwrap();
    assert!(store.remove(tree, &[20]).unwrap());
    assert_eq!(store.usage().unwrap(), Usage { bytes: 7999, keys: 80, trees: 1 });
}

#[test]
fn a_directory_is_opened_once_at_a_time() {
    let (dir, store, _) = fresh(ROOMY);
    let second = Store::open(dir.path(), ROOMY);
    assert!(matches!(second, Err(StorageError::Locked { .. })), "{second:?}");
    drop(store);
    Store::open(dir.path(), ROOMY).unwrap();
}

/// sled does not sync the files that it writes for large nodes, and hangs when it can't write one: see record.rs.
#[test]
fn sled_never_writes_a_node_into_a_file_of_its_own() {
    let (dir, store, tree) = fresh(ROOMY);
    let mut key = vec![b'k'; MAX_KEY_BYTES];
    for round in 0..40_u8 {
        let mut batch = Vec::new();
        for number in 0..25_u8 {
            key[MAX_KEY_BYTES - 2..].copy_from_slice(&[number, round]);
            batch.push(insert(&key, &vec![number; 32 * 1024]));
        }
        store.transaction(tree, &batch).unwrap();
    }
    assert_eq!(blobs(dir.path()), 0);
    drop(store);
    drop(Store::open(dir.path(), ROOMY).unwrap());
    assert_eq!(blobs(dir.path()), 0);
}

fn blobs(dir: &Path) -> usize {
    std::fs::read_dir(dir.join("database/blobs")).unwrap().count()
}

#[derive(Debug, Clone)]
enum Step {
    Transaction(Vec<Operation>),
    Reopen,
}

fn key() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        proptest::collection::vec(0..3_u8, 0..3),
        (0..60_u8).prop_map(|last| [vec![9; 4000], vec![last]].concat()),
    ]
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    let length = prop_oneof![4 => 0..40_usize, 1 => 32_700..32_800_usize, 1 => 60_000..200_000_usize];
    (any::<u8>(), length).prop_map(|(byte, length)| vec![byte; length])
}

fn step() -> impl Strategy<Value = Step> {
    let operation = prop_oneof![
        3 => (key(), value()).prop_map(|(key, value)| Operation::Insert { key, value }),
        1 => key().prop_map(|key| Operation::Remove { key }),
    ];
    let transaction = proptest::collection::vec(operation, 1..12).prop_map(Step::Transaction);
    prop_oneof![6 => transaction, 1 => Just(Step::Reopen)]
}

/// The definition of what a transaction does.
fn applied(model: &BTreeMap<Vec<u8>, Vec<u8>>, operations: &[Operation]) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut model = model.clone();
    for operation in operations {
        match operation {
            Operation::Insert { key, value } => drop(model.insert(key.clone(), value.clone())),
            Operation::Remove { key } => drop(model.remove(key)),
            Operation::Expect { .. } => unreachable!("not generated"),
        }
    }
    model
}

fn bytes(model: &BTreeMap<Vec<u8>, Vec<u8>>) -> u64 {
    model.iter().map(|(key, value)| u64::try_from(key.len() + value.len()).unwrap()).sum()
}

fn keys(model: &BTreeMap<Vec<u8>, Vec<u8>>) -> u64 {
    u64::try_from(model.len()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn a_store_is_a_sorted_map_with_a_quota(steps in proptest::collection::vec(step(), 1..30)) {
        let quota = Quota { bytes: 900_000, keys: 40, trees: 1 };
        let (dir, store, tree) = fresh(quota);
        let mut store = Some(store);
        let mut model = BTreeMap::new();
        for step in steps {
            match step {
                Step::Reopen => {
                    drop(store.take());
                    store = Some(Store::open(dir.path(), quota).unwrap());
                }
                Step::Transaction(operations) => {
                    let after = applied(&model, &operations);
                    let fits = |new, old, limit| new <= limit || new <= old;
                    let allowed = fits(bytes(&after), bytes(&model), quota.bytes) && fits(keys(&after), keys(&model), quota.keys);
                    let done = store.as_ref().unwrap().transaction(tree, &operations);
                    prop_assert_eq!(done.is_ok(), allowed, "{:?}", done);
                    model = if allowed { after } else { model };
                }
            }
            let store = store.as_ref().unwrap();
            let usage = store.usage().unwrap();
            prop_assert_eq!((usage.bytes, usage.keys), (bytes(&model), keys(&model)));
            prop_assert!(everything(store, tree).into_iter().eq(model.clone()));
        }
    }
}
