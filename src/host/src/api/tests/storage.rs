use bytes::Bytes;
use cofferdam_protocol::BoundedVec;
use cofferdam_protocol::calls::{
    GetStorageUsage, StorageContainsKey, StorageGet, StorageInsert, StorageIter, StorageOpenTree,
    StorageRemove, StorageTransaction,
};
use cofferdam_protocol::storage::{MAX_KEY_BYTES, MAX_VALUE_BYTES, StorageOperation};

use super::*;
use crate::quotas::{Fill, Resource};

fn bytes(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

fn insert(tree_id: u32, key: &'static str, value: &'static str) -> StorageInsert {
    StorageInsert { tree_id, key: bytes(key), value: bytes(value) }
}

fn get(tree_id: u32, key: &'static str) -> StorageGet {
    StorageGet { tree_id, key: bytes(key) }
}

async fn tree(peer: &mut Peer) -> u32 {
    ask(peer, StorageOpenTree { name: "coins".to_owned() }).await.unwrap()
}

#[tokio::test]
async fn a_tree_of_another_module_cannot_be_reached_by_its_id() {
    let dir = tempfile::tempdir().unwrap();
    let place = Place::new(&dir, limits()).await;
    let (mut wallet, mut other) = (place.open("wallet").await, place.open("other").await);
    let coins = tree(&mut wallet).await;
    ask(&mut wallet, insert(coins, "k", "the wallet's")).await.unwrap();
    assert_eq!(argument(ask(&mut other, get(coins, "k")).await), "tree_id");
    let own = tree(&mut other).await;
    assert_eq!(own, coins, "the control: the same id, and yet another tree");
    assert_eq!(ask(&mut other, get(own, "k")).await, Ok(None));
    ask(&mut other, insert(own, "k", "the other's")).await.unwrap();
    assert_eq!(ask(&mut wallet, get(coins, "k")).await, Ok(Some(bytes("the wallet's"))));
}

#[tokio::test]
async fn what_a_module_keeps_outlives_its_session_and_the_core() {
    let dir = tempfile::tempdir().unwrap();
    let place = Place::new(&dir, limits()).await;
    let mut first = place.open("wallet").await;
    let coins = tree(&mut first).await;
    ask(&mut first, insert(coins, "a", "1")).await.unwrap();
    first.close().await;
    let mut second = place.open("wallet").await;
    assert_eq!(ask(&mut second, get(coins, "a")).await, Ok(Some(bytes("1"))));
    assert_eq!(ask(&mut second, StorageRemove { tree_id: coins, key: bytes("none") }).await, Ok(false));
    ask(&mut second, insert(coins, "b", "2")).await.unwrap();
    second.close().await;
    drop(place);

    let place = Place::new(&dir, limits()).await;
    let mut third = place.open("wallet").await;
    assert_eq!(tree(&mut third).await, coins);
    assert_eq!(ask(&mut third, StorageContainsKey { tree_id: coins, key: bytes("b") }).await, Ok(true));
    let all = StorageIter { tree_id: coins, prefix: Bytes::new(), after: None, limit: 1 };
    let page = ask(&mut third, all).await.unwrap();
    assert!(page.more && page.entries.len() == 1 && page.entries[0].key == bytes("a"));
    let rest = StorageIter { tree_id: coins, prefix: Bytes::new(), after: Some(bytes("a")), limit: 9 };
    let page = ask(&mut third, rest).await.unwrap();
    assert!(!page.more && page.entries.len() == 1 && page.entries[0].value == bytes("2"));
}

#[tokio::test]
async fn a_full_database_says_of_what_and_its_usage_adds_up() {
    let dir = tempfile::tempdir().unwrap();
    let place = Place::new(&dir, CoreLimits { storage_keys: 2, ..limits() }).await;
    let mut wallet = place.open("wallet").await;
    let coins = tree(&mut wallet).await;
    for key in ["a", "b"] {
        ask(&mut wallet, insert(coins, key, "1")).await.unwrap();
    }
    let full = ask(&mut wallet, insert(coins, "c", "1")).await;
    let expected = ApiError::QuotaExceeded { what: "storage keys".to_owned(), requested: 3, limit: 2 };
    assert_eq!(full, Err(expected));
    let usage = ask(&mut wallet, GetStorageUsage {}).await.unwrap();
    assert_eq!((usage.keys, usage.max_keys, usage.trees), (2, 2, 1));
    let mut other = place.open("other").await;
    assert_eq!(ask(&mut other, GetStorageUsage {}).await.unwrap().keys, 0);
}

#[tokio::test]
async fn a_module_is_warned_once_when_its_database_is_nearly_full_and_the_metrics_know_how_full() {
    let dir = tempfile::tempdir().unwrap();
    let place = Place::new(&dir, CoreLimits { storage_keys: 20, ..limits() }).await;
    let told = warnings(&place, async |wallet, heard| {
        let tree_id = ask_and_hear(wallet, StorageOpenTree { name: "coins".to_owned() }, heard).await;
        for key in 0..20_u8 {
            let key = Bytes::from(vec![key]);
            let insert = StorageInsert { tree_id, key: key.clone(), value: Bytes::new() };
            ask_and_hear(wallet, insert.clone(), heard).await;
            assert!(ask_and_hear(wallet, StorageRemove { tree_id, key }, heard).await);
            ask_and_hear(wallet, insert, heard).await;
        }
    })
    .await;
    let keys = |used| ("storage_keys".to_owned(), used, 20);
    assert_eq!(told, [keys(16), keys(19)]);
    let known = place.stage.host.quotas().of(&"wallet".parse().unwrap());
    assert!(known.contains(&(Resource::StorageKeys, Fill { used: 20, limit: 20 })), "{known:?}");
    assert_eq!(place.stage.host.quotas().of(&"other".parse().unwrap()), []);
}

#[tokio::test]
async fn a_corrupt_database_costs_its_module_only_and_is_named_as_the_operator_knows_it() {
    let dir = tempfile::tempdir().unwrap();
    let place = Place::new(&dir, limits()).await;
    let mut wallet = place.open("wallet").await;
    let coins = tree(&mut wallet).await;
    ask(&mut wallet, insert(coins, "a", "1")).await.unwrap();
    wallet.close().await;
    let database = place.state.join("storage/wallet");
    drop(place);
    damage(&database);

    let place = Place::new(&dir, limits()).await;
    let (mut wallet, mut other) = (place.open("wallet").await, place.open("other").await);
    for _ in 0..3 {
        let failed = ask(&mut wallet, StorageOpenTree { name: "coins".to_owned() }).await;
        let Err(ApiError::StorageFailed { reason }) = failed else { panic!("{failed:?}") };
        assert!(reason.contains("<state_dir>/core/storage/wallet"), "{reason}");
        assert!(!reason.contains(dir.path().to_str().unwrap()), "{reason}");
    }
    let own = tree(&mut other).await;
    assert_eq!(ask(&mut other, insert(own, "a", "1")).await, Ok(()));
}

/// Overwrites every file with noise.
fn damage(dir: &std::path::Path) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            damage(&path);
        } else if std::fs::metadata(&path).unwrap().len() > 0 {
            let length = usize::try_from(std::fs::metadata(&path).unwrap().len()).unwrap();
            std::fs::write(&path, vec![0xa5; length]).unwrap();
        }
    }
}

#[tokio::test]
async fn arguments_that_cannot_be_right_are_refused_by_their_name() {
    let dir = tempfile::tempdir().unwrap();
    let place = Place::new(&dir, limits()).await;
    let mut wallet = place.open("wallet").await;
    let tree_id = tree(&mut wallet).await;
    let long_key = Bytes::from(vec![0; MAX_KEY_BYTES + 1]);
    let large = Bytes::from(vec![0; MAX_VALUE_BYTES + 1]);
    let name = ask(&mut wallet, StorageOpenTree { name: "../other".to_owned() }).await;
    assert_eq!(argument(name), "name");
    assert_eq!(argument(ask(&mut wallet, StorageGet { tree_id, key: long_key.clone() }).await), "key");
    let value = StorageInsert { tree_id, key: bytes("k"), value: large };
    assert_eq!(argument(ask(&mut wallet, value).await), "value");
    for limit in [0, 4097, u32::MAX] {
        let iter = StorageIter { tree_id, prefix: Bytes::new(), after: None, limit };
        assert_eq!(argument(ask(&mut wallet, iter).await), "limit");
    }
    let prefix = StorageIter { tree_id, prefix: long_key.clone(), after: None, limit: 1 };
    assert_eq!(argument(ask(&mut wallet, prefix).await), "prefix");
    let operations = BoundedVec::truncated([StorageOperation::Remove { key: long_key }]);
    assert_eq!(argument(ask(&mut wallet, StorageTransaction { tree_id, operations }).await), "operations");
}

#[tokio::test]
async fn a_transaction_goes_by_what_was_there_before_it_and_happens_wholly_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let place = Place::new(&dir, limits()).await;
    let mut wallet = place.open("wallet").await;
    let tree_id = tree(&mut wallet).await;
    let put = |value| StorageOperation::Insert { key: bytes("k"), value: bytes(value) };
    let expect =
        |value: Option<&'static str>| StorageOperation::Expect { key: bytes("k"), value: value.map(bytes) };
    let transaction = |operations: Vec<StorageOperation>| StorageTransaction {
        tree_id,
        operations: BoundedVec::new(operations).unwrap(),
    };
    assert_eq!(ask(&mut wallet, transaction(vec![put("1"), expect(None)])).await, Ok(()));
    let conflict = ask(&mut wallet, transaction(vec![put("2"), put("3"), expect(Some("3"))])).await;
    let Err(ApiError::Conflict { what }) = conflict else { panic!("{conflict:?}") };
    assert!(what.contains("operation 2"), "{what}");
    assert_eq!(ask(&mut wallet, get(tree_id, "k")).await, Ok(Some(bytes("1"))));
}
