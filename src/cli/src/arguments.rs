//! The command line. It never reads a file or the environment.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

const EXIT_STATUS: &str = "\
Exit status:
  0  all is well; `run` ends with it after SIGINT, SIGTERM, SIGHUP or SIGQUIT
  1  something is wrong or missing, and the text says what and how to mend it
  2  the command line is wrong";

/// Runs the modules of a Bitcoin node as Linux-confined processes.
#[derive(Debug, Parser)]
#[command(name = "cofferdam", version, after_help = EXIT_STATUS)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the core and the modules until SIGINT or SIGTERM
    Run(Place),
    /// Say what would run, what would not and why, and what this machine lacks; starts nothing
    Check(Place),
    /// Print all that a module can do, with the reason of every rule
    Audit(Wanted),
    /// Print a config with every key, its default and its meaning
    Config,
    /// List the calls of the node API and the capability each needs
    Calls(Table),
    /// List the event types, and where each comes from with the node and the modules of a config
    Events(crate::events::Asked),
    /// Explain what a module was last refused, and what would allow it
    Why(crate::why::Asked),
    /// Compare two manifests or pages: what the new one may do that the old one could not
    Diff(crate::diff::Asked),
    /// Run a module watched, and propose the least capabilities and system calls that it used
    Learn(crate::learn::Asked),
    /// Show how modules differ from what the operator granted, and grant it
    Grant(crate::grant::Asked),
    /// Find out by doing what this host can enforce, and say how to get what is missing
    Doctor(crate::doctor::Asked),
    /// Check or show the audit log
    AuditLog(crate::audit_log::Asked),
    /// The host core; only the launcher starts it
    #[command(hide = true)]
    Core,
}

/// Which config.
#[derive(Debug, Args)]
pub(crate) struct Place {
    /// The config
    #[arg(long, value_name = "FILE", default_value = "cofferdam.toml")]
    pub(crate) config: PathBuf,
}

/// For whom the output is.
#[derive(Debug, Args)]
pub(crate) struct Form {
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// For whom the table of calls is.
#[derive(Debug, Args)]
pub(crate) struct Table {
    /// Print JSON, with arguments, replies, sources and errors
    #[arg(long, conflicts_with = "markdown")]
    json: bool,
    /// Print the page docs/api.md
    #[arg(long)]
    markdown: bool,
}

impl Table {
    pub(crate) fn form(&self) -> crate::calls::Form {
        match (self.json, self.markdown) {
            (true, _) => crate::calls::Form::Json,
            (false, true) => crate::calls::Form::Markdown,
            (false, false) => crate::calls::Form::Text,
        }
    }
}

/// Whose page.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("subject").required(true).args(["module", "core", "manifest"]))]
pub(crate) struct Wanted {
    /// An installed module, with what the config grants it
    pub(crate) module: Option<String>,
    /// The host core, with the node of the config
    #[arg(long)]
    pub(crate) core: bool,
    /// A module.toml that need not be installed, with everything it asks for
    #[arg(long, value_name = "FILE", conflicts_with = "config")]
    pub(crate) manifest: Option<PathBuf>,
    /// Take the program to be dynamic; else it is looked at, and taken to be static if it is not there
    #[arg(long)]
    pub(crate) dynamic: bool,
    /// Start the module's profile around a probe, and compare what is really possible with the page
    #[arg(long, requires = "module", conflicts_with_all = ["core", "manifest", "dynamic"])]
    pub(crate) verify: bool,
    /// Compare with this page of `cofferdam audit --json` instead of the one that the config gives
    #[arg(long, value_name = "FILE", requires = "verify")]
    pub(crate) page: Option<PathBuf>,
    /// What was found comes at the standard input; only the launcher says this
    #[arg(long, hide = true, requires = "verify")]
    pub(crate) found: bool,
    #[command(flatten)]
    pub(crate) place: Place,
    #[command(flatten)]
    pub(crate) form: Form,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn the_core_is_started_by_the_arguments_of_its_policy() {
        let tables = cofferdam_policy::Tables::builtin();
        let needs = cofferdam_policy::CoreNeeds::default();
        let linkage = cofferdam_policy::profile::Linkage::Static;
        let profile = cofferdam_policy::derive_core(&needs, linkage, &tables);
        let line = std::iter::once("core").chain(profile.arguments.iter().map(String::as_str));
        assert!(matches!(Arguments::try_parse_from(line).unwrap().command, Command::Core));
    }

    #[test]
    fn an_audit_is_of_exactly_one_subject() {
        for line in [&["cofferdam", "audit"][..], &["cofferdam", "audit", "a", "--core"]] {
            let status = Arguments::try_parse_from(line).unwrap_err().exit_code();
            assert_eq!(status, 2, "{line:?}");
        }
    }
}
