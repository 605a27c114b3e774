//! Chance, from the operating system.

/// Returns a number in [0, 1).
pub(crate) fn fraction() -> f64 {
    let mut bytes = [0; 8];
    // Without chance there is no jitter, which is no reason to fail.
    let _ = getrandom::getrandom(&mut bytes);
    (u64::from_le_bytes(bytes) >> 11) as f64 / (1_u64 << 53) as f64
}

/// Returns 128 random bits in hexadecimal digits.
pub(crate) fn id() -> String {
    let mut bytes = [0; 16];
    getrandom::getrandom(&mut bytes).expect("the operating system has random numbers");
    format!("{:032x}", u128::from_le_bytes(bytes))
}
