//! Prints the description of the interface as it is checked in.

fn main() {
    print!("{}", carillon_api::openapi_json());
}
