use bytes::Bytes;
use cofferdam_protocol::calls::{
    CreateDirectory, DeleteFile, GetFileMetadata, ListDirectory, ReadFile, ReadFileRange, WriteFile,
};
use cofferdam_protocol::files::FileKind;

use super::*;

fn write(path: &str, data: &'static str) -> WriteFile {
    WriteFile { path: path.to_owned(), data: Bytes::from_static(data.as_bytes()) }
}

fn read(path: &str) -> ReadFile {
    ReadFile { path: path.to_owned() }
}

#[tokio::test]
async fn a_file_is_written_read_listed_and_deleted() {
    let dir = tempfile::tempdir().unwrap();
    let place = Place::new(&dir, limits()).await;
    let mut wallet = place.open("wallet").await;
    ask(&mut wallet, CreateDirectory { path: "notes".to_owned() }).await.unwrap();
    ask(&mut wallet, write("notes/a", "hello")).await.unwrap();
    assert_eq!(ask(&mut wallet, read("notes/a")).await, Ok(Bytes::from_static(b"hello")));
    let range = ReadFileRange { path: "notes/a".to_owned(), offset: 3, length: 10 };
    let range = ask(&mut wallet, range).await.unwrap();
    assert_eq!((&range.data[..], range.file_bytes), (&b"lo"[..], 5));
    for root in ["", "."] {
        let listed = ask(&mut wallet, ListDirectory { path: root.to_owned(), after: None }).await.unwrap();
        assert_eq!((listed.entries[0].name.as_str(), listed.entries[0].kind), ("notes", FileKind::Directory));
    }
    let metadata = GetFileMetadata { path: "notes/a".to_owned() };
    assert_eq!(ask(&mut wallet, metadata.clone()).await.unwrap().unwrap().bytes, 5);
    ask(&mut wallet, DeleteFile { path: "notes/a".to_owned() }).await.unwrap();
    assert_eq!(ask(&mut wallet, metadata).await, Ok(None));
    assert!(matches!(ask(&mut wallet, read("notes/a")).await, Err(ApiError::NotFound { .. })));
}

#[tokio::test]
async fn paths_that_lead_out_of_the_data_directory_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("secret"), "the core's").unwrap();
    let place = Place::new(&dir, limits()).await;
    let files = place.state.join("files of wallet");
    std::os::unix::fs::symlink(dir.path().join("secret"), files.join("link")).unwrap();
    std::fs::write(files.join("own"), "the wallet's").unwrap();
    let mut wallet = place.open("wallet").await;
    for path in ["../secret", "/etc/passwd", "a/../../secret", ""] {
        assert_eq!(argument(ask(&mut wallet, read(path)).await), "path", "{path}");
        assert_eq!(argument(ask(&mut wallet, write(path, "x")).await), "path", "{path}");
    }
    assert_eq!(argument(ask(&mut wallet, read("link")).await), "path");
    // A write puts a file in the place of the link, and never follows it.
    ask(&mut wallet, write("link", "x")).await.unwrap();
    assert!(ask(&mut wallet, read("own")).await.is_ok(), "the control");
    assert_eq!(std::fs::read(dir.path().join("secret")).unwrap(), b"the core's");
}

#[tokio::test]
async fn a_module_without_a_data_directory_is_told_that_it_has_none() {
    let dir = tempfile::tempdir().unwrap();
    let place = Place::new(&dir, limits()).await;
    let mut other = place.open("other").await;
    let told = ask(&mut other, read("a")).await;
    assert!(matches!(&told, Err(ApiError::Unsupported { reason, .. }) if reason.contains("data directory")));
}

#[tokio::test]
async fn sizes_and_quotas_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let place = Place::new(&dir, CoreLimits { file_count: 2, ..limits() }).await;
    let mut wallet = place.open("wallet").await;
    for length in [0, 1024 * 1024 + 1] {
        let range = ReadFileRange { path: "a".to_owned(), offset: 0, length };
        assert_eq!(argument(ask(&mut wallet, range).await), "length");
    }
    let data = Bytes::from(vec![0; 4 * 1024 * 1024 + 1]);
    assert_eq!(argument(ask(&mut wallet, WriteFile { path: "a".to_owned(), data }).await), "data");
    for name in ["a", "b"] {
        ask(&mut wallet, write(name, "x")).await.unwrap();
    }
    let full = ask(&mut wallet, write("c", "x")).await;
    assert!(matches!(full, Err(ApiError::QuotaExceeded { limit: 2, .. })), "{full:?}");
}

#[tokio::test]
async fn a_module_is_warned_when_its_data_directory_is_nearly_full() {
    let dir = tempfile::tempdir().unwrap();
    let place = Place::new(&dir, CoreLimits { file_bytes: 20 * 4096, ..limits() }).await;
    let told = warnings(&place, async |wallet, heard| {
        let data = Bytes::from(vec![0; 15 * 4096]);
        ask_and_hear(wallet, WriteFile { path: "a".to_owned(), data: data.clone() }, heard).await;
        assert_eq!(*heard, [], "the control: three quarters are no news");
        ask_and_hear(wallet, WriteFile { path: "b".to_owned(), data: data.slice(..4 * 4096) }, heard).await;
    })
    .await;
    assert_eq!(told, [("file_bytes".to_owned(), 19 * 4096, 20 * 4096)]);
}
