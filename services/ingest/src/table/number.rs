//! Values.

use super::refusal::Reason;

/// Reads a cell as a 64-bit number: what Python's `float` takes, except for underscores, NaN and
/// infinity.
pub fn parse(cell: &[u8]) -> Result<f64, Reason> {
    match fast_float2::parse(cell) {
        Ok(value) if f64::is_finite(value) => Ok(value),
        Ok(_) if cell.iter().any(u8::is_ascii_digit) => Err(Reason::TooLarge),
        Ok(_) => Err(Reason::NotFinite),
        Err(_) => Err(refusal(cell)),
    }
}

fn refusal(cell: &[u8]) -> Reason {
    if cell.is_empty() {
        return Reason::Empty;
    }
    let mut commas = cell.iter().filter(|byte| **byte == b',');
    if let (Some(_), None) = (commas.next(), commas.next()) {
        let point: Vec<u8> = cell
            .iter()
            .map(|byte| if *byte == b',' { b'.' } else { *byte })
            .collect();
        if fast_float2::parse::<f64, _>(&point).is_ok() {
            return Reason::DecimalComma;
        }
    }
    Reason::NotANumber
}
