//! `cofferdam calls`: the table of calls, with where each answer comes from and how it can fail.
//!
//! Names, arguments and replies are the protocol's table; sources and errors stand here, and a test finds a call that
//! has none. docs/api.md is this table: a test compares the two.

use cofferdam_protocol::{CATALOG, CallInfo};
use serde_json::json;

use crate::answer::Answer;

/// How the table is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// For people, one line a call.
    Text,
    /// All columns, for programs.
    Json,
    /// All columns, as docs/api.md.
    Markdown,
}

/// Where the answers of some calls come from, and the errors that are their own.
struct Source {
    embedded: &'static str,
    bitcoind: &'static str,
    errors: &'static str,
    calls: &'static [&'static str],
}

/// Answered by the host on every node.
const HOST: &str = "host";
/// Answered by the chain inside the core.
const CHAIN: &str = "development chain";

macro_rules! sources {
    ($( $embedded:expr, $bitcoind:expr, $errors:literal: $($call:ident)+; )+) => {
        const SOURCES: &[Source] = &[ $( Source {
            embedded: $embedded,
            bitcoind: $bitcoind,
            errors: $errors,
            calls: &[ $( stringify!($call) ),+ ],
        } ),+ ];
    };
}

sources! {
    CHAIN, "getblock", "NotReady, Pruned": get_block;
    CHAIN, "getblockhash, getblock", "NotReady, Pruned": get_block_by_height;
    CHAIN, "getblockheader", "NotReady": get_block_header;
    CHAIN, "getrawtransaction", "NotReady, IndexRequired": get_transaction has_transaction;
    CHAIN, "getblockchaininfo", "NotReady": get_chain_tip get_block_height get_sync_status;
    CHAIN, "getblockchaininfo, getblockheader", "NotReady": get_chain_info;
    CHAIN, "gettxout", "NotReady": get_utxo;
    HOST, HOST, "InvalidArgument": subscribe_events;
    HOST, HOST, "": log;
    CHAIN, "getrawmempool", "NotReady": get_mempool_transactions get_mempool_transactions_after;
    CHAIN, "getrawtransaction", "NotReady": get_mempool_transaction;
    CHAIN, "getmempoolinfo", "NotReady": get_mempool_size;
    CHAIN, "getmempoolentry", "NotReady": check_transaction_in_mempool;
    "one rate, marked as simulated", "estimatesmartfee", "InvalidArgument, InsufficientData, NotReady": get_fee_estimate;
    CHAIN, "sendrawtransaction", "InvalidArgument, Rejected, NotReady": send_transaction;
    "zeros, marked as no network", "getnettotals, getnetworkinfo, getnetworkhashps", "NotReady": get_network_stats;
    "no peers", "getpeerinfo", "NotReady": get_network_peers;
    "none: it has no peers", "setban", "InvalidArgument, Unsupported, NotReady": ban_peer;
    CHAIN, "getblocktemplate", "NotReady": get_block_template;
    CHAIN, "submitblock", "InvalidArgument, Rejected, NotReady": submit_block;
    HOST, HOST, "InvalidArgument, QuotaExceeded, StorageFailed": storage_open_tree storage_insert storage_remove;
    HOST, HOST, "InvalidArgument, StorageFailed": storage_get storage_contains_key storage_iter;
    HOST, HOST, "InvalidArgument, Conflict, QuotaExceeded, StorageFailed": storage_transaction;
    HOST, HOST, "StorageFailed": get_storage_usage;
    HOST, HOST, "InvalidArgument, NotFound, Conflict, Unsupported": read_file read_file_range delete_file
        list_directory;
    HOST, HOST, "InvalidArgument, NotFound, Conflict, QuotaExceeded, NotReady, Unsupported": write_file
        create_directory;
    HOST, HOST, "InvalidArgument, Conflict, Unsupported": get_file_metadata;
    "the other module", "the other module",
        "InvalidArgument, ModuleNotFound, NotFound, ModuleFailed, CallCycle, Timeout": call_module;
    HOST, HOST, "InvalidArgument, EventNotGranted": publish_event;
    HOST, HOST, "InvalidArgument": register_module_api;
    HOST, HOST, "InvalidArgument, NotReady": register_rpc_endpoint;
    HOST, HOST, "InvalidArgument, QuotaExceeded": report_metric;
    HOST, HOST, "": unregister_module_api unregister_rpc_endpoint discover_modules get_module_info
        is_module_available cancel_timer;
    HOST, HOST, "Unsupported": get_all_metrics;
    "the other module", "the other module", "InvalidArgument, ModuleNotFound": send_mesh_packet_to_module;
    HOST, HOST, "InvalidArgument, QuotaExceeded": register_timer schedule_task;
    HOST, HOST, "ModuleNotFound": get_module_metrics;
    "the module named in modules.lightning", "the module named in modules.lightning",
        "Unsupported, ModuleNotFound, ModuleFailed, CallCycle, Timeout": get_lightning_node_url get_lightning_info;
    "the module named in modules.lightning", "the module named in modules.lightning",
        "InvalidArgument, Unsupported, ModuleNotFound, ModuleFailed, CallCycle, Timeout": get_payment_state;
}

/// What a call takes and answers, as the protocol's table has it.
struct Signature {
    arguments: &'static [(&'static str, &'static str)],
    reply: &'static str,
}

macro_rules! signatures {
    ($(
        $tag:literal => $name:ident : $Call:ident $( { $( $field:ident : $field_type:ty ),+ $(,)? } )?
            -> $Reply:ty, [ $( $Capability:ident )? ], $doc:literal;
    )+) => {
        fn signature(call: &CallInfo) -> Option<Signature> {
            match call.name {
                $( stringify!($name) => Some(Signature {
                    arguments: &[ $( $( (stringify!($field), stringify!($field_type)) ),+ )? ],
                    reply: stringify!($Reply),
                }), )+
                _ => None,
            }
        }
    };
}

cofferdam_protocol::for_each_call!(signatures);

/// One call with everything that is known of it.
struct Row {
    call: &'static CallInfo,
    arguments: String,
    reply: String,
    source: &'static Source,
}

/// The rows; a test looks that none is left out.
fn rows() -> impl Iterator<Item = Row> {
    CATALOG.iter().filter_map(|call| {
        let source = SOURCES.iter().find(|source| source.calls.contains(&call.name))?;
        let Signature { arguments, reply } = signature(call)?;
        let arguments: Vec<String> =
            arguments.iter().map(|(name, of)| format!("{name}: {}", written(of))).collect();
        Some(Row { call, arguments: arguments.join(", "), reply: written(reply), source })
    })
}

/// A type as people write it: the compiler sets its tokens apart.
fn written(tokens: &str) -> String {
    tokens.replace(" < ", "<").replace(" >", ">")
}

pub(crate) fn calls(form: Form) -> Answer {
    Answer::good(match form {
        Form::Text => text(),
        Form::Json => in_json(),
        Form::Markdown => markdown(),
    })
}

fn needs(call: &CallInfo) -> &'static str {
    call.capability.map_or("nothing", |capability| capability.as_str())
}

fn text() -> String {
    let mut text = format!("{:>4}  {:<31}{:<23}{}\n", "tag", "call", "needs", "what it does");
    for Row { call, .. } in rows() {
        text.push_str(&format!("{:>4}  {:<31}{:<23}{}\n", call.tag, call.name, needs(call), call.doc));
    }
    text
}

fn in_json() -> String {
    let rows = rows().map(|Row { call, arguments, reply, source }| {
        json!({
            "tag": call.tag,
            "name": call.name,
            "capability": call.capability.map(|capability| capability.as_str()),
            "arguments": arguments,
            "reply": reply,
            "embedded": source.embedded,
            "bitcoind": source.bitcoind,
            "errors": source.errors.split(", ").filter(|error| !error.is_empty()).collect::<Vec<_>>(),
            "doc": call.doc,
        })
    });
    format!("{:#}\n", serde_json::Value::Array(rows.collect()))
}

const INTRODUCTION: &str = "\
# The node API

Generated by `cofferdam calls --markdown`; do not edit. Each call is a method of the SDK's `NodeApi`.

Besides the errors of its row, every call may end with PermissionDenied (the capability is not granted), RateLimited (too
many calls; it says when to try again), Timeout (no answer within 60 s) and Internal (a fault of the host, with a reference
for its log). Calls that ask a bitcoind may also end with Unsupported, if the node does not let the host call that method or
its answer is too large. `None` means that it does not exist; an error means that the host cannot say.

What Conflict and Unsupported mean of files: a name changed while it was looked up, and another try may do; and this module
has no data directory that the host reads, or the kernel no openat2. Unsupported of `get_all_metrics`: all are too large for
one reply; ask for one module at a time. NotFound of `call_module`: the other module offers no such method.

Where the names are those of blvm-node's module documentation and the arguments are not: timers take milliseconds and a
label, since a callback cannot travel, and fire as invocations with that label; `storage_iter` and `list_directory` answer
pages, of which `storage_entries` and `directory_entries` of the SDK put all together; times and sizes carry their unit in
their name.

";

fn markdown() -> String {
    let mut page = INTRODUCTION.to_owned();
    page.push_str("| call | needs | takes | answers | from embedded | from bitcoind | errors |\n");
    page.push_str("|---|---|---|---|---|---|---|\n");
    for Row { call, arguments, reply, source } in rows() {
        let takes = if arguments.is_empty() { String::new() } else { format!("`{arguments}`") };
        let Source { embedded, bitcoind, errors, .. } = source;
        let (name, needs) = (call.name, needs(call));
        page.push_str(&format!(
            "| `{name}` | {needs} | {takes} | `{reply}` | {embedded} | {bitcoind} | {errors} |\n"
        ));
    }
    page.push_str("\n## What each does\n\n");
    for Row { call, .. } in rows() {
        page.push_str(&format!("- `{}`: {}\n", call.name, call.doc));
    }
    page
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use cofferdam_protocol::ApiError;

    #[test]
    fn every_call_has_exactly_one_source_and_every_source_is_of_a_call() {
        let mut sourced: Vec<&str> = SOURCES.iter().flat_map(|source| source.calls).copied().collect();
        let mut called: Vec<&str> = CATALOG.iter().map(|call| call.name).collect();
        sourced.sort_unstable();
        called.sort_unstable();
        assert_eq!(sourced, called);
        assert_eq!(rows().count(), CATALOG.len());
    }

    #[test]
    fn every_error_of_the_table_is_one_of_the_protocol() {
        let known: Vec<&str> = ApiError::TAGS.iter().map(|(_, name)| *name).collect();
        for source in SOURCES {
            for error in source.errors.split(", ").filter(|error| !error.is_empty()) {
                assert!(known.contains(&error), "{error} of {:?}", source.calls);
            }
        }
    }

    #[test]
    fn every_form_has_every_call_and_no_columns_touch() {
        for call in CATALOG {
            assert!(in_json().contains(call.name) && markdown().contains(call.name), "{}", call.name);
        }
        assert_eq!(text().lines().count(), CATALOG.len() + 1);
        assert!(text().lines().all(|line| line.split("  ").count() > 2 && line.chars().nth(4) == Some(' ')));
    }

    #[test]
    fn the_page_of_the_node_api_is_this_table() {
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/api.md");
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            std::fs::write(&page, markdown()).unwrap();
        }
        let written = std::fs::read_to_string(&page).unwrap_or_default();
        assert!(written == markdown(), "rewrite docs/api.md with `cofferdam calls --markdown > docs/api.md`");
    }
}
