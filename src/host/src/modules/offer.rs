//! What a module offers: its form, and who may see and call it. Nothing is kept here.

use cofferdam_control::is_deceptive;
use cofferdam_manifest::{Capability, ModuleName};
use cofferdam_protocol::ApiError;
use cofferdam_protocol::modules::{MAX_NAME_BYTES, ModuleApi};

use crate::session::Module;

/// The longest description of a method, in characters.
const MAX_DESCRIPTION_CHARS: usize = 256;

/// The names and descriptions of all that a module offers, in bytes: with 128 modules, what discover_modules answers
/// stays below a large reply.
const MAX_API_BYTES: usize = 24 * 1024;

/// Checks what a module wants to offer.
///
/// # Errors
/// Which part of it is wrong, and what would be right.
pub(super) fn check(api: &ModuleApi) -> Result<(), ApiError> {
    if !is_line(&api.version, MAX_NAME_BYTES) {
        return Err(invalid(format!("version is not a line of up to {MAX_NAME_BYTES} printable characters")));
    }
    for (index, method) in api.methods.iter().enumerate() {
        if !is_method(&method.name) {
            return Err(invalid(format!(
                "the name of method {index} is not 1 to {MAX_NAME_BYTES} of the characters a-z, 0-9, '_' and '.'"
            )));
        }
        if !is_line(&method.description, MAX_DESCRIPTION_CHARS) {
            return Err(invalid(format!(
                "the description of {} is not a line of up to {MAX_DESCRIPTION_CHARS} printable characters",
                method.name
            )));
        }
        if api.methods.iter().take(index).any(|earlier| earlier.name == method.name) {
            return Err(invalid(format!("method {} is named twice", method.name)));
        }
    }
    let bytes = size(api);
    if bytes > MAX_API_BYTES {
        return Err(invalid(format!(
            "its names and descriptions have {bytes} bytes, at most {MAX_API_BYTES}"
        )));
    }
    for (index, caller) in api.callers.iter().enumerate() {
        if caller.parse::<ModuleName>().is_err() {
            return Err(invalid(format!("caller {index} is not the name of a module")));
        }
    }
    Ok(())
}

fn size(api: &ModuleApi) -> usize {
    let methods =
        api.methods.iter().map(|method| method.name.len() + method.description.len()).sum::<usize>();
    let callers = api.callers.iter().map(String::len).sum::<usize>();
    methods.saturating_add(callers).saturating_add(api.version.len())
}

/// Whether this could be the name of a method.
pub(super) fn is_method(name: &str) -> bool {
    let allowed =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_' || byte == b'.';
    (1..=MAX_NAME_BYTES).contains(&name.len()) && name.bytes().all(allowed)
}

/// Whether `caller` is among those whom the offer is for.
pub(super) fn admits(api: &ModuleApi, caller: &ModuleName) -> bool {
    api.callers.is_empty() || api.callers.iter().any(|name| name == caller.as_str())
}

/// Whether this module may call what is offered.
pub(super) fn may_call(api: &ModuleApi, module: &Module) -> bool {
    module.granted.contains(Capability::CallModule) && admits(api, &module.name)
}

fn is_line(text: &str, max_chars: usize) -> bool {
    text.chars().take(max_chars.saturating_add(1)).count() <= max_chars && !text.chars().any(is_deceptive)
}

fn invalid(problem: String) -> ApiError {
    ApiError::InvalidArgument { argument: "api".to_owned(), problem }
}
