//! What the README shows.

#[test]
fn the_first_example_is_the_one_that_is_compiled_and_short() {
    let readme = include_str!("../README.md");
    let first = readme.split("```rust,no_run\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    assert_eq!(first, include_str!("../examples/first.rs"));
    assert!(first.trim().lines().count() <= 15);
}
