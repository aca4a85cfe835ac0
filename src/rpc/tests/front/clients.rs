//! What a Bitcoin JSON-RPC client library gets.

use bitcoincore_rpc::jsonrpc;
use bitcoincore_rpc::{Auth, Client, Error, RpcApi as _};
use serde_json::{Value, json};

use crate::rig::{Rig, SECRET};

fn client(rig: &Rig, secret: &str) -> Client {
    let auth = Auth::UserPass("__cookie__".to_owned(), secret.to_owned());
    Client::new(&format!("http://{}", rig.address), auth).unwrap()
}

#[test]
fn a_bitcoin_rpc_library_calls_a_method_of_a_module() {
    let rig = Rig::start();
    let client = client(&rig, SECRET);
    let echoed: Vec<Value> = client.call("demo_echo", &[json!(1), json!("two")]).unwrap();
    assert_eq!(echoed, [json!(1), json!("two")]);
    let uptime: u64 = client.call("uptime", &[]).unwrap();
    assert!(uptime < 3600);
}

#[test]
fn a_bitcoin_rpc_library_sees_the_modules_own_error() {
    let rig = Rig::start();
    let error = client(&rig, SECRET).call::<Value>("demo_fail", &[]).unwrap_err();
    let Error::JsonRpc(jsonrpc::Error::Rpc(error)) = error else { panic!("{error:?}") };
    assert_eq!((error.code, error.message.as_str()), (-8, "Block height out of range"));
    assert_eq!(error.data.unwrap().get(), r#"{"height":7}"#);
}

#[test]
fn a_bitcoin_rpc_library_with_the_wrong_cookie_is_refused() {
    let rig = Rig::start();
    let error = client(&rig, &SECRET.replace('0', "1")).call::<Value>("demo_echo", &[]).unwrap_err();
    assert!(format!("{error:?}").contains("401"), "{error:?}");
}

#[test]
fn a_bitcoin_rpc_library_sends_a_batch() {
    let rig = Rig::start();
    let client = client(&rig, SECRET);
    let client = client.get_jsonrpc_client();
    let params: Vec<_> = (0..64).map(|number| jsonrpc::arg([number])).collect();
    let requests: Vec<_> =
        params.iter().map(|params| client.build_request("demo_echo", Some(params))).collect();
    let replies = client.send_batch(&requests).unwrap();
    let results: Vec<[u32; 1]> = replies.into_iter().map(|reply| reply.unwrap().result().unwrap()).collect();
    assert_eq!(results, (0..64).map(|number| [number]).collect::<Vec<_>>());
}
