//! What a peer may make us hold. Past a limit a message is refused, never cut.

/// Octets of one message, start line to the end of its body.
pub const MESSAGE_OCTETS: usize = 64 * 1024;
/// Octets of the start line and the headers of a message that comes by a stream.
pub const HEAD_OCTETS: usize = 32 * 1024;
/// Header lines of one message.
pub const HEADERS: usize = 256;
/// Elements of one header that is a list (Via, Contact, Route, …), over all its lines.
pub const LIST_ELEMENTS: usize = 256;
/// Parameters of one value or URI.
pub const PARAMETERS: usize = 64;
/// Octets of a URI.
pub const URI_OCTETS: usize = 8 * 1024;
/// Empty lines that may come before a message; more are not a keep-alive but noise.
pub const LEADING_LINES: usize = 16;
/// Lines of a session description.
pub const SDP_LINES: usize = 2048;
/// Media sections of a session description.
pub const SDP_MEDIA: usize = 32;
/// Payload formats of one media section.
pub const SDP_FORMATS: usize = 128;
