//! The settings. One that cannot be right ends the module: nobody should believe that an address is watched when a
//! typing error kept it out.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use cofferdam_sdk::bitcoin::{Network, ScriptBuf};

use crate::error::WatchError;
use crate::index::MAX_SCRIPTS;
use crate::script;

const CONFIRMATIONS: RangeInclusive<u32> = 1..=100;

#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) network: Network,
    pub(crate) scripts: Vec<ScriptBuf>,
    /// The first block to scan when there is no index yet; the next one if there is none.
    pub(crate) start_height: Option<u32>,
    pub(crate) confirmations: u32,
    /// The module that knows what scripts are for.
    pub(crate) describer: Option<String>,
}

impl Settings {
    pub(crate) fn from(config: &BTreeMap<String, String>, chain: &str) -> Result<Self, WatchError> {
        let network = script::network(chain);
        let wrong = |key, problem| WatchError::Setting { key, problem };
        let listed = config.get("addresses").map_or("", String::as_str).split(',').map(str::trim);
        let scripts: Vec<ScriptBuf> = listed
            .filter(|text| !text.is_empty())
            .map(|text| script::parse(text, network))
            .collect::<Result<_, _>>()
            .map_err(|problem| wrong("addresses", problem))?;
        if scripts.len() > MAX_SCRIPTS {
            let problem = format!("{} are listed, at most {MAX_SCRIPTS} are watched", scripts.len());
            return Err(wrong("addresses", problem));
        }
        let number = |key: &'static str, allowed: RangeInclusive<u32>| {
            let Some(text) = config.get(key) else { return Ok(None) };
            let number = text.parse().ok().filter(|number| allowed.contains(number));
            let (from, to) = (allowed.start(), allowed.end());
            let problem = || format!("{text:?} is not a number from {from} to {to}");
            number.map(Some).ok_or_else(|| wrong(key, problem()))
        };
        Ok(Self {
            network,
            scripts,
            start_height: number("start_height", 1..=u32::MAX)?,
            confirmations: number("confirmations", CONFIRMATIONS)?.unwrap_or(*CONFIRMATIONS.start()),
            describer: config.get("describer").filter(|name| !name.is_empty()).cloned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(key: &str, value: &str) -> Result<Settings, WatchError> {
        Settings::from(&BTreeMap::from([(key.to_owned(), value.to_owned())]), "regtest")
    }

    #[test]
    fn scripts_and_numbers_are_taken() {
        assert_eq!(from("addresses", "51, 52 ,").unwrap().scripts.len(), 2);
        assert_eq!(from("start_height", "7").unwrap().start_height, Some(7));
        assert_eq!(from("confirmations", "6").unwrap().confirmations, 6);
        assert_eq!(from("other", "").unwrap().confirmations, 1);
    }

    #[test]
    fn what_cannot_be_right_is_an_error_with_its_key() {
        for (key, value) in [
            ("addresses", "bc1nonsense"),
            ("start_height", "0"),
            ("confirmations", "101"),
            ("confirmations", "x"),
        ] {
            let error = from(key, value).unwrap_err().to_string();
            assert!(error.starts_with(&format!("configuration key {key}: ")), "{error}");
        }
    }
}
