//! The policy files, parsed and checked against each other. The files are compiled in: what an auditor reads
//! in policies/ is what is enforced, and no file on the host can change it.

mod checks;
mod condition;
mod limits;
mod notes;
mod seccomp;
mod stack;
mod template;

pub use notes::CapabilityNote;
pub(crate) use template::{Reach, Template};

use crate::profile::{Linkage, SyscallPolicy, Weakening};
use cofferdam_document::{DocumentError, Source};
use cofferdam_manifest::Capability;
use std::collections::BTreeMap;

/// The text of every policy file, with the name that errors and pages give it.
#[derive(Debug, Clone, Copy)]
pub struct Sources<'t> {
    /// What every module gets.
    pub module: Source<'t>,
    /// What the host core gets.
    pub core: Source<'t>,
    /// Layers that may be missing.
    pub layers: Source<'t>,
    /// Notes on capabilities.
    pub capabilities: Source<'t>,
    /// System calls that kill.
    pub calls_kill: Source<'t>,
    /// System calls of every module and of the core.
    pub calls_module: Source<'t>,
    /// Those of dynamic programs besides.
    pub calls_dynamic: Source<'t>,
    /// Those of the core besides.
    pub calls_core: Source<'t>,
    /// Those of a core with a node to connect to besides.
    pub calls_core_network: Source<'t>,
    /// Those of a core that serves the operator's tools besides.
    pub calls_core_interface: Source<'t>,
    /// Those of a core that reads and writes files of modules besides.
    pub calls_core_files: Source<'t>,
}

macro_rules! policy_file {
    ($path:literal) => {
        Source { file: concat!("policies/", $path), text: include_str!(concat!("../../../policies/", $path)) }
    };
}

impl Sources<'static> {
    /// The files of policies/ as they were when this was compiled.
    pub const BUILTIN: Self = Self {
        module: policy_file!("module.toml"),
        core: policy_file!("core.toml"),
        layers: policy_file!("layers.toml"),
        capabilities: policy_file!("capabilities.toml"),
        calls_kill: policy_file!("seccomp/kill.toml"),
        calls_module: policy_file!("seccomp/module.toml"),
        calls_dynamic: policy_file!("seccomp/module-dynamic.toml"),
        calls_core: policy_file!("seccomp/core.toml"),
        calls_core_network: policy_file!("seccomp/core-network.toml"),
        calls_core_interface: policy_file!("seccomp/core-interface.toml"),
        calls_core_files: policy_file!("seccomp/core-files.toml"),
    };
}

/// The policy, as `derive` needs it. Holding one proves that every file parsed, that every rule has a reason
/// and that no two rules that apply together disagree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tables {
    pub(crate) module: Template,
    pub(crate) core: Template,
    pub(crate) calls: Calls,
    layers: BTreeMap<String, String>,
    notes: BTreeMap<Capability, CapabilityNote>,
}

/// The system call policies, put together once for each kind of program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Calls {
    module: ByLinkage,
    core: BTreeMap<CoreReach, ByLinkage>,
}

/// What a core reaches beyond the launcher and the modules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct CoreReach {
    /// It connects to a node.
    pub(crate) node: bool,
    /// It serves the operator's tools.
    pub(crate) interface: bool,
    /// It reads and writes files of modules for them.
    pub(crate) files: bool,
}

impl CoreReach {
    fn all() -> impl Iterator<Item = Self> {
        let reach = |bits: u8| Self { node: bits & 1 != 0, interface: bits & 2 != 0, files: bits & 4 != 0 };
        (0..8).map(reach)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct ByLinkage {
    fixed: SyscallPolicy,
    dynamic: SyscallPolicy,
}

impl Calls {
    pub(crate) fn module(&self, linkage: Linkage) -> &SyscallPolicy {
        self.module.of(linkage)
    }

    /// Every reach has its policy; a module's, which allows less, would stand in.
    pub(crate) fn core(&self, reach: CoreReach, linkage: Linkage) -> &SyscallPolicy {
        self.core.get(&reach).unwrap_or(&self.module).of(linkage)
    }
}

impl ByLinkage {
    fn of(&self, linkage: Linkage) -> &SyscallPolicy {
        match linkage {
            Linkage::Static => &self.fixed,
            Linkage::Dynamic => &self.dynamic,
        }
    }
}

impl Tables {
    /// The policy that was compiled in.
    #[must_use]
    pub fn builtin() -> Self {
        #[expect(clippy::expect_used, reason = "the text is a constant, and a test parses it")]
        Self::parse(&Sources::BUILTIN).expect("tests::every_policy_file_parses")
    }

    /// Parses policy files.
    ///
    /// # Errors
    /// The first thing that is wrong, with its file, line and key, and what to write instead.
    pub fn parse(sources: &Sources<'_>) -> Result<Self, DocumentError> {
        Ok(Self {
            module: template::parse(sources.module)?,
            core: template::parse(sources.core)?,
            calls: calls(sources)?,
            layers: notes::layers(sources.layers)?,
            notes: notes::capabilities(sources.capabilities)?,
        })
    }

    /// What a profile says about a layer that may be missing; `None` if the layer cannot be waived.
    #[must_use]
    pub fn weakening(&self, layer: &str) -> Option<Weakening> {
        let consequence = self.layers.get(layer)?.clone();
        Some(Weakening { layer: layer.to_owned(), consequence })
    }

    /// The layers that may be missing, by name.
    pub fn waivable_layers(&self) -> impl Iterator<Item = &str> {
        self.layers.keys().map(String::as_str)
    }

    /// What an auditor should know about a capability. Every capability has a note.
    #[must_use]
    pub fn note(&self, capability: Capability) -> Option<&CapabilityNote> {
        self.notes.get(&capability)
    }
}

fn calls(sources: &Sources<'_>) -> Result<Calls, DocumentError> {
    let kill = seccomp::parse(sources.calls_kill)?;
    let module = seccomp::parse(sources.calls_module)?;
    let dynamic = seccomp::parse(sources.calls_dynamic)?;
    let core = seccomp::parse(sources.calls_core)?;
    let network = seccomp::parse(sources.calls_core_network)?;
    let interface = seccomp::parse(sources.calls_core_interface)?;
    let both = |more: &[&seccomp::RuleFile<'_>]| {
        let fixed = [&[&kill], more].concat();
        let with_loader = [&[&kill, &dynamic], more].concat();
        Ok::<_, DocumentError>(ByLinkage {
            fixed: stack::merge(&module, &fixed)?,
            dynamic: stack::merge(&module, &with_loader)?,
        })
    };
    let files = seccomp::parse(sources.calls_core_files)?;
    let of_core = |reach: CoreReach| {
        let optional = [(reach.node, &network), (reach.interface, &interface), (reach.files, &files)];
        let optional = optional.into_iter().map(|(wanted, file)| wanted.then_some(file));
        let more = std::iter::once(Some(&core)).chain(optional);
        Ok((reach, both(&more.flatten().collect::<Vec<_>>())?))
    };
    let core = CoreReach::all().map(of_core).collect::<Result<_, DocumentError>>()?;
    Ok(Calls { module: both(&[])?, core })
}

#[cfg(test)]
mod tests;
