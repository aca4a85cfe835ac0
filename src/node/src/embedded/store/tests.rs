//! What a crash may leave of the file, and what else may happen to it.

use std::fs;

use proptest::prelude::*;

use super::*;

/// Opens the file in `dir`; gives it and the blocks in it.
fn open(dir: &Path) -> Result<(BlockFile, Vec<Vec<u8>>), NodeError> {
    let mut blocks = Vec::new();
    let file = BlockFile::open(dir, |_, _, block| {
        blocks.push(block.to_vec());
        Ok(())
    })?;
    Ok((file, blocks))
}

/// A file with three records in a new directory; gives its bytes and where the records begin.
fn three_records() -> (tempfile::TempDir, Vec<u8>, [usize; 4]) {
    let dir = tempfile::tempdir().unwrap();
    let (mut file, _) = open(dir.path()).unwrap();
    let mut begins = [0; 4];
    for (begin, block) in begins.iter_mut().zip([&b"first"[..], b"the second", b"third!"]) {
        *begin = usize::try_from(file.end).unwrap();
        file.append(block).unwrap();
    }
    begins[3] = usize::try_from(file.end).unwrap();
    let bytes = fs::read(dir.path().join("blocks.dat")).unwrap();
    (dir, bytes, begins)
}

fn write(dir: &Path, bytes: &[u8]) {
    fs::write(dir.join("blocks.dat"), bytes).unwrap();
}

#[test]
fn appended_blocks_are_read_back_in_order_and_by_place() {
    let (dir, ..) = three_records();
    let (mut file, blocks) = open(dir.path()).unwrap();
    assert_eq!(blocks, [&b"first"[..], b"the second", b"third!"]);
    let place = file.append(b"fourth").unwrap();
    assert_eq!(file.reader().block(place).unwrap(), &b"fourth"[..]);
}

#[test]
fn tail_cut_at_any_byte_drops_the_last_record_only_and_appending_goes_on() {
    let (dir, bytes, [.., last, end]) = three_records();
    for cut in last..end {
        write(dir.path(), &bytes[..cut]);
        let (mut file, blocks) = open(dir.path()).unwrap();
        assert_eq!(blocks, [&b"first"[..], b"the second"], "cut at {cut}");
        file.append(b"anew").unwrap();
        drop(file);
        let (_, blocks) = open(dir.path()).unwrap();
        assert_eq!(blocks, [&b"first"[..], b"the second", b"anew"], "cut at {cut}");
    }
}

#[test]
fn tail_whose_size_reached_the_disk_before_its_content_is_dropped() {
    let (dir, bytes, [.., last, end]) = three_records();
    for written in (last..end).filter(|written| *written == last || *written >= last + 16) {
        let mut zeroed = bytes.clone();
        zeroed[written..].fill(0);
        write(dir.path(), &zeroed);
        let (_, blocks) = open(dir.path()).unwrap();
        assert_eq!(blocks, [&b"first"[..], b"the second"], "zeros from {written}");
    }
}

#[test]
fn file_cut_while_it_was_made_is_begun_anew() {
    let dir = tempfile::tempdir().unwrap();
    for present in 0..MAGIC.len() {
        write(dir.path(), &MAGIC[..present]);
        let (mut file, blocks) = open(dir.path()).unwrap();
        assert!(blocks.is_empty());
        file.append(b"first").unwrap();
    }
}

#[test]
fn foreign_file_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let foreign = b"these are the notes of somebody and no block file";
    write(dir.path(), foreign);
    let error = open(dir.path()).unwrap_err();
    assert!(error.to_string().contains("blocks.dat") && error.to_string().contains("move the file away"));
    assert_eq!(fs::read(dir.path().join("blocks.dat")).unwrap(), foreign);
}

#[test]
fn chain_in_use_is_refused() {
    let (dir, ..) = three_records();
    let held = open(dir.path()).unwrap();
    let error = open(dir.path()).unwrap_err();
    assert!(error.to_string().contains("another process"), "{error}");
    drop(held);
}

#[test]
fn what_cannot_be_a_block_is_not_appended() {
    let (dir, ..) = three_records();
    let (mut file, _) = open(dir.path()).unwrap();
    let too_large = vec![0; usize::try_from(MAX_BLOCK_BYTES).unwrap() + 1];
    assert!(file.append(&[]).is_err() && file.append(&too_large).is_err());
    drop(file);
    assert_eq!(open(dir.path()).unwrap().1.len(), 3);
}

#[test]
fn record_that_could_not_be_cut_off_is_cut_off_before_the_next_append() {
    let (dir, ..) = three_records();
    let (mut file, _) = open(dir.path()).unwrap();
    let writable = Arc::clone(&file.reader.file);
    // A disk that took half a long record and then neither more of it nor a change of size.
    writable.write_all_at(&[7; 500], file.end).unwrap();
    file.reader.file = Arc::new(File::open(dir.path().join("blocks.dat")).unwrap());
    for _ in 0..2 {
        assert!(file.append(&[7; 1000]).unwrap_err().to_string().contains("cut off"));
    }
    file.reader.file = writable;
    file.append(b"short").unwrap();
    drop(file);
    assert_eq!(open(dir.path()).unwrap().1[3..], [b"short"]);
}

proptest! {
    #[test]
    fn damage_before_the_last_record_is_an_error_that_names_the_record(
        place in 0..1000_usize,
        change in 1..=255_u8,
    ) {
        let (dir, mut bytes, begins) = three_records();
        let place = begins[0] + place % (begins[2] - begins[0]);
        bytes[place] ^= change;
        write(dir.path(), &bytes);
        let record = begins[usize::from(place >= begins[1])];
        match open(dir.path()) {
            Err(NodeError::Storage { offset, reason, .. }) => {
                prop_assert_eq!(offset, u64::try_from(record).unwrap());
                prop_assert!(reason.contains("move the file away"));
            }
            other => prop_assert!(false, "{:?}", other.map(|(_, blocks)| blocks)),
        }
        prop_assert_eq!(fs::read(dir.path().join("blocks.dat")).unwrap(), bytes);
    }
}
