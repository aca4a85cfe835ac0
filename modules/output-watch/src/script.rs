//! From what people write to a script: an address of this chain, or the script itself in hexadecimal.

use cofferdam_sdk::bitcoin::address::NetworkUnchecked;
use cofferdam_sdk::bitcoin::{Address, Network, ScriptBuf};

/// The longest script that is watched: what can be spent is shorter (BIP 16, 141).
const MAX_SCRIPT_BYTES: usize = 520;

/// The network of a chain, as the node names it. A development chain writes its addresses as regtest does.
pub(crate) fn network(chain: &str) -> Network {
    match chain {
        "main" => Network::Bitcoin,
        "test" => Network::Testnet,
        "testnet4" => Network::Testnet4,
        "signet" => Network::Signet,
        _ => Network::Regtest,
    }
}

/// The script that `text` means.
///
/// # Errors
/// What is wrong with it, and what would be right.
pub(crate) fn parse(text: &str, network: Network) -> Result<ScriptBuf, String> {
    let script = match ScriptBuf::from_hex(text) {
        Ok(script) if !text.is_empty() => script,
        _ => address(text, network)?,
    };
    if script.len() > MAX_SCRIPT_BYTES {
        return Err(format!("a script of {} bytes, at most {MAX_SCRIPT_BYTES} can be watched", script.len()));
    }
    Ok(script)
}

fn address(text: &str, network: Network) -> Result<ScriptBuf, String> {
    let shown: String = text.chars().take(100).collect();
    let address: Address<NetworkUnchecked> = text
        .parse()
        .map_err(|error| format!("{shown:?} is neither an address nor a script in hexadecimal: {error}"))?;
    let address = address.require_network(network);
    let address =
        address.map_err(|_| format!("{shown:?} is not an address of this chain, which is {network}"))?;
    Ok(address.script_pubkey())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEGWIT: &str = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4";

    #[test]
    fn an_address_and_its_script_mean_the_same() {
        let script = parse(SEGWIT, Network::Bitcoin).unwrap();
        assert_eq!(parse(&script.to_hex_string(), Network::Bitcoin), Ok(script));
    }

    #[test]
    fn an_address_of_another_chain_is_refused() {
        assert!(parse(SEGWIT, Network::Regtest).unwrap_err().contains("not an address of this chain"));
    }

    #[test]
    fn what_is_neither_is_an_error_that_is_short() {
        for text in ["", "0", "xyz", &"a".repeat(9999), &"00".repeat(600)] {
            assert!(parse(text, Network::Bitcoin).unwrap_err().len() < 400);
        }
    }
}
