//! Fills what the core keeps for it: its database and its files. It goes on until the core refuses, and counts only
//! what the core has acknowledged.

use cofferdam_sdk::{ApiError, NodeApi, SdkError};

use crate::{Ended, connect, full, setting};

/// Values large enough to be few, small enough to come close to a quota.
const VALUE_BYTES: usize = 64 * 1024;
const FILE_BYTES: usize = 128 * 1024;

/// Whether there was room.
fn stored(result: Result<(), SdkError>) -> Result<bool, SdkError> {
    match result {
        Ok(()) => Ok(true),
        Err(error) if is_refusal(&error) => {
            println!("refused: {error}");
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

fn is_refusal(error: &SdkError) -> bool {
    matches!(error.api(), Some(ApiError::QuotaExceeded { .. }))
}

async fn tree(node: &NodeApi) -> Result<u32, SdkError> {
    node.storage_open_tree("heap".to_owned()).await
}

/// Large values, and then smaller ones where no large one has room.
pub(crate) async fn database_bytes() -> Ended {
    let node = connect().await?.node_api();
    let (tree, mut bytes, mut number) = (tree(&node).await?, 0, 0_u32);
    for size in [VALUE_BYTES, VALUE_BYTES / 16, 1] {
        loop {
            let key = number.to_be_bytes().to_vec();
            number += 1;
            let length = key.len() + size;
            if !stored(node.storage_insert(tree, key.into(), vec![7; size].into()).await)? {
                break;
            }
            bytes += length;
        }
    }
    full(bytes)
}

/// Keys without values, a thousand at a time, and then one by one.
pub(crate) async fn database_keys() -> Ended {
    use cofferdam_sdk::storage::{StorageOperation, StorageOperations};
    let node = connect().await?.node_api();
    let (tree, mut keys) = (tree(&node).await?, 0_u32);
    for at_once in [1000, 1] {
        loop {
            let insert = |key: u32| StorageOperation::Insert {
                key: key.to_be_bytes().to_vec().into(),
                value: Vec::new().into(),
            };
            let operations = StorageOperations::truncated((keys..keys + at_once).map(insert));
            if !stored(node.storage_transaction(tree, operations).await)? {
                break;
            }
            keys += at_once;
        }
    }
    full(keys)
}

/// Files until there is no room for one more.
pub(crate) async fn file_bytes() -> Ended {
    fill_with_files(FILE_BYTES).await
}

/// Empty files until there may be no more.
pub(crate) async fn file_count() -> Ended {
    fill_with_files(0).await
}

/// Has the core make so many files, and then adds to them itself until it may write no more.
pub(crate) async fn borrowed() -> Ended {
    let node = connect().await?.node_api();
    let count = setting("COUNT")?;
    for number in 0..count {
        node.write_file(format!("file-{number}"), vec![7; 1024].into()).await?;
    }
    println!("borrowed: {count}");
    let step = vec![7; 64 * 1024];
    for number in (0..count).cycle() {
        let file = std::fs::OpenOptions::new().append(true).open(format!("/data/file-{number}"));
        if let Err(error) = file.and_then(|mut file| std::io::Write::write_all(&mut file, &step)) {
            full(error);
        }
    }
    full("nothing")
}

async fn fill_with_files(bytes: usize) -> Ended {
    let node = connect().await?.node_api();
    let mut count = 0_u32;
    while stored(node.write_file(format!("file-{count}"), vec![7; bytes].into()).await)? {
        count += 1;
    }
    full(count)
}
