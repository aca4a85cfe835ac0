//! A subscriber against the publishers it may meet.

use std::sync::Arc;

use bitcoin::hashes::Hash;
use bitcoin::{BlockHash, Txid};
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};

use super::wire::{COMMAND, GREETING_BYTES, Happening, LONG, MORE, Message, READY, TOPIC, frame};
use super::*;
use crate::mempool_feed::{Notice, Notices};

/// A publisher that greets, takes the subscription, sends `frames` and keeps the connection.
async fn publisher(frames: Vec<u8>) -> (SocketAddr, tokio::task::JoinHandle<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let task = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut greeting = [0; GREETING_BYTES];
        stream.read_exact(&mut greeting).await.unwrap();
        stream.write_all(&greeting).await.unwrap();
        let mut ready = vec![0; READY.len() + 2];
        stream.read_exact(&mut ready).await.unwrap();
        stream.write_all(&ready).await.unwrap();
        let mut subscription = vec![0; TOPIC.len() + 3];
        stream.read_exact(&mut subscription).await.unwrap();
        stream.write_all(&frames).await.unwrap();
        // Until the subscriber goes.
        let _ = stream.read_u8().await;
        subscription
    });
    (address, task)
}

fn message(content: &[u8], counter: u32) -> Vec<u8> {
    let counter = counter.to_le_bytes();
    [frame(MORE, TOPIC), frame(MORE, content), frame(0, &counter)].concat()
}

fn about_block(letter: u8) -> Vec<u8> {
    [&[1; 32][..], &[letter]].concat()
}

#[tokio::test]
async fn subscribes_to_sequence_and_reads_its_messages() {
    let (address, task) = publisher(message(&about_block(b'C'), 0)).await;
    let mut stream = subscribe(address).await.unwrap();
    let read = read_message(&mut stream).await.unwrap();
    assert_eq!(read, Message { content: about_block(b'C'), counter: vec![0; 4] });
    drop(stream);
    assert_eq!(task.await.unwrap(), b"\0\x09\x01sequence");
}

#[tokio::test]
async fn frame_that_claims_more_than_a_sequence_message_has_ends_the_connection_unread() {
    for claimed in [256, 1 << 46, u64::MAX] {
        let (address, _task) = publisher([&[LONG][..], &claimed.to_be_bytes()].concat()).await;
        let mut stream = subscribe(address).await.unwrap();
        let error = read_message(&mut stream).await.unwrap_err();
        assert!(error.contains(&claimed.to_string()), "{error}");
    }
}

#[tokio::test]
async fn messages_that_are_not_sequence_end_the_connection() {
    let foreign = [frame(MORE, b"rawblock"), frame(0, b"")].concat();
    let endless = frame(MORE, TOPIC).repeat(9);
    let commands = frame(COMMAND, b"\x04PING").repeat(40);
    for frames in [foreign, endless, commands] {
        let (address, _task) = publisher(frames).await;
        let mut stream = subscribe(address).await.unwrap();
        assert!(read_message(&mut stream).await.is_err());
    }
}

#[tokio::test]
async fn port_that_speaks_something_else_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(&b"HTTP/1.1 400 Bad Request\r\n".repeat(4)).await.unwrap();
        let _ = stream.read_u8().await;
    });
    assert!(subscribe(address).await.unwrap_err().contains("zmq port"));
}

#[tokio::test]
async fn every_loss_of_the_publisher_is_a_hint_and_brings_polling_back() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let hint = Arc::new(Notify::new());
    let poll = Duration::from_millis(5);
    let (pause_in, pause) = watch::channel(poll);
    let task = tokio::spawn(listen(address, Hints { hint: Arc::clone(&hint), pause: pause_in, poll }));
    for _ in 0..3 {
        drop(listener.accept().await.unwrap());
        hint.notified().await;
        assert_eq!(*pause.borrow(), poll);
    }
    drop(pause);
    task.await.unwrap();
}

/// What the follower of the chain makes of messages with this content and these numbers.
async fn looks(content: &[u8], numbers: &[u32]) -> Vec<bool> {
    let hint = Arc::new(Notify::new());
    let (pause, _kept) = watch::channel(Duration::ZERO);
    let hints = Hints { hint: Arc::clone(&hint), pause, poll: Duration::ZERO };
    let mut counter = Counter::default();
    let mut looks = Vec::new();
    for number in numbers {
        let message = Message { content: content.to_vec(), counter: number.to_le_bytes().to_vec() };
        hints.heard(&message, message.follows_a_gap(&mut counter));
        looks.push(timeout(Duration::ZERO, hint.notified()).await.is_ok());
    }
    looks
}

#[tokio::test(start_paused = true)]
async fn blocks_gaps_and_what_is_not_understood_call_for_a_look() {
    let about_mempool = [&[1; 32][..], b"A", &[0; 8]].concat();
    assert_eq!(looks(&about_block(b'C'), &[0, 1]).await, [true, true]);
    assert_eq!(looks(&about_block(b'D'), &[0, 1]).await, [true, true]);
    assert_eq!(looks(&about_mempool, &[4, 5, 6]).await, [false, false, false]);
    assert_eq!(looks(&about_mempool, &[4, 6, 7, 0, 1]).await, [false, true, false, true, false]);
    assert_eq!(looks(&about_mempool, &[u32::MAX, 0]).await, [false, false]);
    assert_eq!(looks(b"?", &[0]).await, [true]);
}

#[test]
fn messages_say_what_happened_to_which_hash() {
    let mut written = [0; 32];
    written[0] = 7;
    let mut hash = [0; 32];
    hash[31] = 7;
    let (txid, block) = (Txid::from_byte_array(hash), BlockHash::from_byte_array(hash));
    let happening =
        |rest: &[u8]| Message { content: [&written[..], rest].concat(), counter: Vec::new() }.happening();
    assert_eq!(happening(b"C"), Some(Happening::Connected(block)));
    assert_eq!(happening(b"D"), Some(Happening::Disconnected(block)));
    assert_eq!(happening(b"A\x09\0\0\0\0\0\0\x01"), Some(Happening::Added { txid, sequence: (1 << 56) + 9 }));
    assert_eq!(happening(b"R\x09\0\0\0\0\0\0\0"), Some(Happening::Removed { txid, sequence: 9 }));
    for odd in [&b""[..], b"A", b"R\0", b"C\0", b"X", b"A\0\0\0\0\0\0\0\0\0"] {
        assert_eq!(happening(odd), None, "{odd:?}");
    }
}

#[tokio::test]
async fn followers_of_the_mempool_are_told_of_gaps_and_of_what_is_not_understood() {
    let (notices, mut heard) = Notices::queue();
    let added = [&[1; 32][..], b"A", &5_u64.to_le_bytes()].concat();
    let mut counter = Counter::default();
    for (content, number) in [(added.clone(), 1_u32), (added, 3), (b"?".to_vec(), 4), (about_block(b'C'), 5)]
    {
        let message = Message { content, counter: number.to_le_bytes().to_vec() };
        notices.heard(&message, message.follows_a_gap(&mut counter));
    }
    let txid = Txid::from_byte_array([1; 32]);
    let added = Notice::Added { txid, sequence: 5 };
    let connected = Notice::Connected(BlockHash::from_byte_array([1; 32]));
    for expected in [added, Notice::Missed, added, Notice::Missed, connected] {
        assert_eq!(heard.next().await, Some(expected));
    }
}

proptest! {
    #[test]
    fn no_message_makes_the_reader_panic(content in any::<Vec<u8>>(), number in any::<Vec<u8>>()) {
        let message = Message { content, counter: number };
        let _ = (message.happening(), message.follows_a_gap(&mut Counter::default()));
    }

    #[test]
    fn any_skipped_number_is_a_gap(numbers in prop::collection::vec(any::<u32>(), 2..20)) {
        let mut counter = Counter::default();
        let gaps: Vec<bool> = numbers.iter().map(|number| counter.skipped(*number)).collect();
        let expected = numbers.windows(2).map(|pair| pair[1] != pair[0].wrapping_add(1));
        prop_assert_eq!(&gaps[1..], expected.collect::<Vec<_>>());
    }
}
