//! Lightning and payments: asked of the module that the operator named, which asks its Lightning node.
//!
//! What that module answers is JSON of the protocol's types or it is an error that names the module. Nothing is
//! invented where no module is named.

use bytes::Bytes;
use cofferdam_manifest::ModuleName;
use cofferdam_protocol::ApiError;
use cofferdam_protocol::calls::{GetLightningInfo, GetLightningNodeUrl, GetPaymentState};
use cofferdam_protocol::lightning::{
    INFO_METHOD, LightningInfo, NODE_URL_METHOD, PAYMENT_STATE_METHOD, PaymentState,
};
use serde::de::DeserializeOwned;

use super::Host;
use crate::authorize::Authorized;
use crate::dispatch::{Caller, Handle, ReplySize};
use crate::modules::Chain;

/// The longest payment id, in bytes: a hash has 64 characters, a request some hundred.
const MAX_PAYMENT_ID_BYTES: usize = 1024;

/// The longest answer that is looked at, in bytes. What is asked for is a few short texts.
const MAX_ANSWER_BYTES: usize = 4096;

impl Handle<GetLightningNodeUrl> for Host {
    const REPLY: ReplySize = ReplySize::Relayed;

    async fn handle(&self, caller: &Caller, _: Authorized<GetLightningNodeUrl>) -> Result<String, ApiError> {
        self.ask_lightning(caller, NODE_URL_METHOD, Bytes::from_static(b"null")).await
    }
}

impl Handle<GetLightningInfo> for Host {
    const REPLY: ReplySize = ReplySize::Relayed;

    async fn handle(
        &self,
        caller: &Caller,
        _: Authorized<GetLightningInfo>,
    ) -> Result<LightningInfo, ApiError> {
        self.ask_lightning(caller, INFO_METHOD, Bytes::from_static(b"null")).await
    }
}

impl Handle<GetPaymentState> for Host {
    const REPLY: ReplySize = ReplySize::Relayed;

    async fn handle(
        &self,
        caller: &Caller,
        call: Authorized<GetPaymentState>,
    ) -> Result<Option<PaymentState>, ApiError> {
        let GetPaymentState { payment_id } = call.into_call();
        if payment_id.len() > MAX_PAYMENT_ID_BYTES {
            let problem = format!("{} bytes, at most {MAX_PAYMENT_ID_BYTES}", payment_id.len());
            return Err(ApiError::InvalidArgument { argument: "payment_id".to_owned(), problem });
        }
        let params = serde_json::Value::String(payment_id).to_string();
        self.ask_lightning(caller, PAYMENT_STATE_METHOD, Bytes::from(params)).await
    }
}

impl Host {
    async fn ask_lightning<T: DeserializeOwned>(
        &self,
        caller: &Caller,
        method: &str,
        params: Bytes,
    ) -> Result<T, ApiError> {
        let Some(source) = self.modules().lightning() else {
            let reason = "no module answers for Lightning; the operator names one as lightning in [modules]";
            return Err(ApiError::Unsupported { backend: "cofferdam".to_owned(), reason: reason.to_owned() });
        };
        let chain = Chain::extend(caller.chain.as_deref(), &caller.module.name, source)?;
        let answer = self.modules().call_as_host(source, chain, method, params).await?;
        parse(source, method, &answer)
    }
}

fn parse<T: DeserializeOwned>(source: &ModuleName, method: &str, answer: &[u8]) -> Result<T, ApiError> {
    let unusable = |why: String| ApiError::Unsupported {
        backend: format!("module {source}"),
        reason: format!(
            "its answer to {method} cannot be used: {why} (the operator named it as modules.lightning)"
        ),
    };
    if answer.len() > MAX_ANSWER_BYTES {
        return Err(unusable(format!("{} bytes, at most {MAX_ANSWER_BYTES} are expected", answer.len())));
    }
    // The place of the fault, and not the module's words.
    serde_json::from_slice(answer).map_err(|error| {
        unusable(format!("not the expected JSON, at line {} column {}", error.line(), error.column()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn source() -> ModuleName {
        "lightning".parse().unwrap()
    }

    #[test]
    fn json_of_the_expected_type_is_taken_and_null_is_no_payment() {
        assert_eq!(
            parse::<String>(&source(), NODE_URL_METHOD, br#""02ab@host:9735""#).unwrap(),
            "02ab@host:9735"
        );
        assert_eq!(parse::<Option<PaymentState>>(&source(), PAYMENT_STATE_METHOD, b"null"), Ok(None));
    }

    proptest! {
        #[test]
        fn any_other_answer_is_an_error_that_names_the_module_and_repeats_nothing_of_it(
            answer in proptest::collection::vec(any::<u8>(), 0..6000)
        ) {
            let error = parse::<LightningInfo>(&source(), INFO_METHOD, &answer).unwrap_err().to_string();
            prop_assert!(error.contains("module lightning") && error.contains("modules.lightning"));
            prop_assert!(error.len() < 300);
        }
    }
}
