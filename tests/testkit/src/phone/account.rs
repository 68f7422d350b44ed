//! Who a phone is.

/// A line of the company under test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The number that reaches it.
    pub number: String,
    /// The name of its SIP endpoint.
    pub username: String,
    pub password: String,
    /// The domain in its address.
    pub domain: String,
}

impl Account {
    /// The line with this number, as the test company has it.
    pub fn of(number: u32) -> Self {
        Self {
            number: number.to_string(),
            username: format!("phone{number}"),
            password: format!("secret-of-{number}"),
            domain: "carillon.test".to_owned(),
        }
    }

    /// The same line with a password that is wrong.
    #[must_use]
    pub fn with_wrong_password(mut self) -> Self {
        self.password = "wrong".to_owned();
        self
    }
}
