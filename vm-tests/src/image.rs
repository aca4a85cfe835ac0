//! Writes the guest's initial memory file system: a cpio archive of programs and files. It holds no device. Kernel: Documentation/driver-api/early-userspace/buffer-format.rst

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use cpio::newc::{Builder, ModeFileType, trailer};

use crate::guest::{INIT, LIBRARY_FOLDERS};
use crate::plan::{DYNAMIC, FACTS, MODULES, PLAN, Plan};

/// What is larger does not fit into the guest's memory beside its tests.
const MAX_BYTES: u64 = 512 * 1024 * 1024;

/// Folders of the workspace whose data files tests read.
const DATA_FOLDERS: [&str; 3] = ["modules", "policies", "tests"];

/// What a data file's name ends with.
const DATA_FILES: [&str; 3] = ["toml", "txt", "json"];

/// What goes into the guest.
#[derive(Debug, Clone, Default)]
pub(crate) struct Image {
    /// By their paths in the guest.
    files: BTreeMap<PathBuf, Content>,
}

#[derive(Debug, Clone)]
struct Content {
    source: PathBuf,
    mode: u32,
}

impl Image {
    /// An image with what every guest needs; `init` is this program as cargo built it last. `work` keeps what is made
    /// for it.
    pub(crate) fn new(init: &Path, work: &Path) -> Result<Self> {
        let mut image = Self::default();
        let busybox = find_program("busybox").context("busybox not found: apt-get install busybox-static")?;
        image.add("/bin/busybox".as_ref(), &busybox, 0o755);
        image.add_program(init, INIT.as_ref(), work)?;
        let facts = compile("guest/facts.c", &["-static"], work)?;
        image.add(FACTS.as_ref(), &facts, 0o755);
        let dynamic = compile("../tests/rig/dynamic.c", &[], work)?;
        image.add_with_libraries(DYNAMIC.as_ref(), &dynamic)?;
        let curl = find_program("curl").context("curl not found: apt-get install curl")?;
        image.add_with_libraries("/bin/curl".as_ref(), &curl)?;
        let mke2fs = find_program("mke2fs").context("mke2fs not found: apt-get install e2fsprogs")?;
        image.add_with_libraries("/bin/mke2fs".as_ref(), &mke2fs)?;
        Ok(image)
    }

    /// Adds a program of the host's, and the libraries that its loader would take, where the host has them.
    fn add_with_libraries(&mut self, place: &Path, program: &Path) -> Result<()> {
        self.add(place, program, 0o755);
        let output = Command::new("ldd").arg(program).output().context("start ldd")?;
        ensure!(output.status.success(), "ldd {}: {}", program.display(), output.status);
        for library in libraries(&String::from_utf8(output.stdout)?) {
            self.add(library.as_ref(), library.as_ref(), 0o755);
        }
        Ok(())
    }

    /// Adds a program without what only a debugger needs.
    pub(crate) fn add_program(&mut self, program: &Path, place: &Path, work: &Path) -> Result<()> {
        let stripped = work.join(format!("stripped-{}", self.files.len()));
        run(Command::new("strip").arg("-o").arg(&stripped).arg(program))?;
        self.add(place, &stripped, 0o755);
        Ok(())
    }

    /// Adds the workspace's data files, where the tests look for them.
    pub(crate) fn add_data(&mut self, workspace: &Path) -> Result<()> {
        DATA_FOLDERS.iter().try_for_each(|folder| self.add_folder(&workspace.join(folder)))
    }

    /// Adds everything below this folder, at the same place below the guest's root. What was there gives way: a program of
    /// another system needs that system's libraries.
    pub(crate) fn add_tree(&mut self, root: &Path) -> Result<()> {
        let mut folders = vec![root.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).with_context(|| format!("list {}", folder.display()))? {
                let path = entry?.path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    self.add(&Path::new("/").join(path.strip_prefix(root)?), &path, 0o755);
                }
            }
        }
        Ok(())
    }

    /// Adds the modules of a kernel that was fetched, which the guest loads by the order of their names.
    pub(crate) fn add_modules(&mut self, folder: &Path) -> Result<()> {
        for entry in fs::read_dir(folder).with_context(|| format!("list {}", folder.display()))? {
            let entry = entry?;
            self.add(&Path::new(MODULES).join(entry.file_name()), &entry.path(), 0o644);
        }
        Ok(())
    }

    fn add_folder(&mut self, folder: &Path) -> Result<()> {
        for entry in fs::read_dir(folder).with_context(|| format!("list {}", folder.display()))? {
            let path = entry?.path();
            if path.is_dir() {
                self.add_folder(&path)?;
            } else if path.extension().is_some_and(|kind| DATA_FILES.iter().any(|data| kind == *data)) {
                self.add(&path, &path, 0o644);
            }
        }
        Ok(())
    }

    fn add(&mut self, place: &Path, source: &Path, mode: u32) {
        self.files.insert(in_usr(place), Content { source: source.to_owned(), mode });
    }

    /// Writes the archive, with this plan.
    pub(crate) fn write(&self, plan: &Plan, archive: &Path) -> Result<()> {
        let mut output = io::BufWriter::new(File::create(archive)?);
        for folder in folders(self.files.keys().map(PathBuf::as_path)) {
            let entry = Builder::new(name(folder)?).mode(0o755).set_mode_file_type(ModeFileType::Directory);
            entry.write(&mut output, 0).finish()?;
        }
        for (place, content) in &self.files {
            let mut source =
                File::open(&content.source).with_context(|| content.source.display().to_string())?;
            let bytes = u32::try_from(source.metadata()?.len()).context("larger than cpio can say")?;
            let mut entry = regular(place, content.mode)?.write(&mut output, bytes);
            io::copy(&mut source, &mut entry).with_context(|| content.source.display().to_string())?;
            entry.finish()?;
        }
        let plan = serde_json::to_vec(plan)?;
        let mut entry = regular(PLAN.as_ref(), 0o644)?.write(&mut output, u32::try_from(plan.len())?);
        entry.write_all(&plan)?;
        entry.finish()?;
        trailer(&mut output)?.flush()?;
        let bytes = fs::metadata(archive)?.len();
        ensure!(bytes <= MAX_BYTES, "the guest's files are {bytes} bytes, more than {MAX_BYTES}");
        Ok(())
    }
}

/// Compiles a source file, whose path is relative to this package.
fn compile(source: &str, options: &[&str], work: &Path) -> Result<PathBuf> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(source);
    let program = work.join(source.file_stem().context("a source file has a name")?);
    let mut compiler = Command::new("cc");
    compiler.args(["-O1", "-Wall", "-Wextra", "-Werror"]).args(options).arg("-o").arg(&program).arg(source);
    run(&mut compiler)?;
    Ok(program)
}

/// Where a file is in the guest, whose library folders lie in /usr as Debian's do: in `/` there are links to them.
fn in_usr(place: &Path) -> PathBuf {
    let is_library = LIBRARY_FOLDERS.iter().any(|folder| place.starts_with(Path::new("/").join(folder)));
    match place.strip_prefix("/") {
        Ok(below) if is_library => Path::new("/usr").join(below),
        _ => place.to_owned(),
    }
}

/// The files that ldd names; the kernel's own page has none.
fn libraries(listed: &str) -> Vec<&str> {
    let words = listed.lines().filter_map(|line| line.split_whitespace().find(|word| word.starts_with('/')));
    words.collect()
}

fn regular(place: &Path, mode: u32) -> Result<Builder> {
    Ok(Builder::new(name(place)?).mode(mode).set_mode_file_type(ModeFileType::Regular))
}

/// A path as cpio has it: below the root.
fn name(place: &Path) -> Result<&str> {
    let text = place.to_str().with_context(|| format!("{} is not UTF-8", place.display()))?;
    Ok(text.trim_start_matches('/'))
}

/// Every folder above these files, each before what is in it.
fn folders<'f>(files: impl Iterator<Item = &'f Path>) -> Vec<&'f Path> {
    let above = files.flat_map(|file| file.ancestors().skip(1)).filter(|folder| *folder != Path::new("/"));
    let folders: std::collections::BTreeSet<_> = above.collect();
    folders.into_iter().collect()
}

/// Looks for a program as a shell does.
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|program| program.is_file())
}

fn run(command: &mut Command) -> Result<()> {
    let program = command.get_program().display().to_string();
    let status = command.status().with_context(|| format!("start {program}"))?;
    ensure!(status.success(), "{program}: {status}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_what_ldd_lists_the_files_are_taken() {
        let listed =
            "\tlinux-vdso.so.1 (0x0000)\n\tlibc.so.6 => /lib/x/libc.so.6 (0x00)\n\t/lib64/ld.so.2 (0x00)\n";
        assert_eq!(libraries(listed), ["/lib/x/libc.so.6", "/lib64/ld.so.2"]);
    }

    #[test]
    fn libraries_lie_in_usr_and_nothing_else_is_moved() {
        let of = |place: &str| in_usr(place.as_ref()).display().to_string();
        assert_eq!(of("/lib64/ld.so.2"), "/usr/lib64/ld.so.2");
        assert_eq!(of("/lib/x/libc.so.6"), "/usr/lib/x/libc.so.6");
        assert_eq!((of("/library/x"), of("/usr/lib/x")), ("/library/x".to_owned(), "/usr/lib/x".to_owned()));
    }

    #[test]
    fn a_folder_comes_before_what_is_in_it() {
        let files = ["/a/b/c", "/a/d", "/e"];
        let found = folders(files.iter().map(Path::new));
        assert_eq!(found, [Path::new("/a"), Path::new("/a/b")]);
    }

    #[test]
    fn an_archive_holds_the_files_and_the_plan() {
        let work = tempfile::tempdir().unwrap();
        let source = work.path().join("source");
        fs::write(&source, "hello").unwrap();
        let mut image = Image::default();
        image.add("/folder/file".as_ref(), &source, 0o640);
        let archive = work.path().join("archive");
        let plan = Plan { sessions: Vec::new(), tests: Vec::new(), test_timeout_s: 1 };
        image.write(&plan, &archive).unwrap();
        let mut file = File::open(&archive).unwrap();
        let mut found = Vec::new();
        loop {
            let reader = cpio::newc::Reader::new(file).unwrap();
            if reader.entry().is_trailer() {
                break;
            }
            found.push((reader.entry().name().to_owned(), reader.entry().mode(), reader.entry().file_size()));
            file = reader.finish().unwrap();
        }
        let plan = u32::try_from(serde_json::to_vec(&plan).unwrap().len()).unwrap();
        let expected =
            [("folder", 0o040_755, 0), ("folder/file", 0o100_640, 5), ("plan.json", 0o100_644, plan)];
        assert_eq!(found, expected.map(|(name, mode, bytes)| (name.to_owned(), mode, bytes)));
    }
}
