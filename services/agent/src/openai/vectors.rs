//! Vectors as servers write them: out of order, as numbers or as base64; what cannot be
//! compared is refused.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::failed::Failed;

/// One vector of length 1 for each input, in the order of the inputs.
pub(super) fn read(body: &Value, inputs: usize) -> Result<Vec<Vec<f32>>, Failed> {
    let data = body.get("data").and_then(Value::as_array);
    let data = data.ok_or_else(|| Failed::malformed("no vectors"))?;
    if data.len() != inputs {
        return Err(Failed::malformed("another number of vectors"));
    }
    let mut vectors = vec![None; inputs];
    for (at, entry) in data.iter().enumerate() {
        let index = entry.get("index").and_then(Value::as_u64);
        let index = index.map_or(Some(at), |index| usize::try_from(index).ok());
        let place = index.and_then(|index| vectors.get_mut(index));
        let place = place.ok_or_else(|| Failed::malformed("a vector of no input"))?;
        *place = Some(unit(numbers(entry.get("embedding"))?)?);
    }
    let vectors: Option<Vec<_>> = vectors.into_iter().collect();
    vectors.ok_or_else(|| Failed::malformed("an input without a vector"))
}

fn numbers(value: Option<&Value>) -> Result<Vec<f32>, Failed> {
    let wrong = || Failed::malformed("a vector cannot be read");
    match value {
        Some(Value::Array(numbers)) => {
            let numbers = numbers.iter().map(|number| Some(number.as_f64()? as f32));
            numbers.collect::<Option<Vec<_>>>().ok_or_else(wrong)
        }
        Some(Value::String(text)) => {
            let bytes = STANDARD.decode(text).map_err(|_| wrong())?;
            let (numbers, rest) = bytes.as_chunks::<4>();
            if !rest.is_empty() {
                return Err(wrong());
            }
            Ok(numbers.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
        }
        _ => Err(wrong()),
    }
}

/// Divided by its length, so that a product is a cosine.
fn unit(mut vector: Vec<f32>) -> Result<Vec<f32>, Failed> {
    let length = vector.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
    if !length.is_finite() || length == 0.0 {
        return Err(Failed::malformed("a vector has no direction"));
    }
    for number in &mut vector {
        *number = (f64::from(*number) / length) as f32;
    }
    Ok(vector)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn vectors_are_put_in_order_and_made_of_length_one() {
        let body = json!({"data": [
            {"index": 1, "embedding": [0.0, -2.0]},
            {"index": 0, "embedding": [3.0, 4.0]},
        ]});

        assert_eq!(read(&body, 2).unwrap(), [[0.6, 0.8], [0.0, -1.0]]);
    }

    #[test]
    fn base64_is_little_endian() {
        let bytes: Vec<u8> = [1.0_f32, 0.0].iter().flat_map(|x| x.to_le_bytes()).collect();
        let body = json!({"data": [{"embedding": STANDARD.encode(bytes)}]});

        assert_eq!(read(&body, 1).unwrap(), [[1.0, 0.0]]);
    }

    #[test]
    fn what_cannot_be_compared_is_refused() {
        let nan = STANDARD.encode(f32::NAN.to_le_bytes());
        let cases = [
            json!({}),
            json!({"data": []}),
            json!({"data": [{"index": 1, "embedding": [1.0]}]}),
            json!({"data": [{"index": 0, "embedding": [0.0, 0.0]}]}),
            json!({"data": [{"index": 0, "embedding": [null]}]}),
            json!({"data": [{"index": 0, "embedding": nan}]}),
            json!({"data": [{"index": 0, "embedding": "AAA="}]}),
            json!({"data": [{"index": 0, "embedding": []}]}),
        ];

        for body in cases {
            assert!(read(&body, 1).is_err(), "{body}");
        }
        let twice = json!({"index": 0, "embedding": [1.0]});
        assert!(read(&json!({"data": [twice, twice]}), 2).is_err());
    }
}
