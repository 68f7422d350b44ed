//! Standard output, whose reader may have seen enough: `carillon ctl users list | head`.

use std::fmt::Display;
use std::io::{self, ErrorKind, Write};

/// Prints a text and ends the line. That nobody reads any more is no failure, and whatever was asked goes on: half an
/// `apply` would be worse than an unread line.
pub fn print_line(text: impl Display) -> io::Result<()> {
    write_line(io::stdout().lock(), text)
}

fn write_line(mut to: impl Write, text: impl Display) -> io::Result<()> {
    match writeln!(to, "{text}").and_then(|()| to.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        outcome => outcome,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Broken(ErrorKind);

    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_has_gone_is_no_failure_and_a_full_disk_is_one() {
        assert!(write_line(Broken(ErrorKind::BrokenPipe), "text").is_ok());
        assert!(write_line(Broken(ErrorKind::StorageFull), "text").is_err());
    }
}
