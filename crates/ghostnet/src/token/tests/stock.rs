//! Tokens bought in advance.

use super::super::{LOW_STOCK, STOCK, StockError, TOKEN_LENGTH, TokenKeyId, TokenStock};
use super::*;

/// A token by its look; nothing here verifies it.
fn token(key: u8, number: u8) -> Token {
    let mut bytes = [number; TOKEN_LENGTH];
    bytes[..2].copy_from_slice(&[0, 2]);
    bytes[66..98].copy_from_slice(&[key; 32]);
    Token::from_bytes(&bytes).unwrap()
}

const KEY: TokenKeyId = TokenKeyId([1; 32]);
const END: UnixTime = UnixTime::from_secs(10_000);

fn stock_of(tokens: usize) -> TokenStock {
    let mut stock = TokenStock::new();
    for number in (0..).take(tokens) {
        stock.put(token(1, number), END);
    }
    stock
}

#[test]
fn tokens_are_bought_when_fewer_than_ten_are_left() {
    for (have, wanted) in [(0, 20), (9, 11), (10, 0), (20, 0)] {
        assert_eq!(stock_of(have).wanted(KEY, END, at(0)), wanted, "{have}");
    }
    assert_eq!((STOCK, LOW_STOCK), (20, 10));
    // Those that end soon are not counted, and of a key that ends soon none are bought.
    assert_eq!(stock_of(20).wanted(KEY, at(20_000), at(9_399)), 0);
    assert_eq!(stock_of(20).wanted(KEY, at(20_000), at(9_400)), 20);
    assert_eq!(stock_of(0).wanted(KEY, END, at(9_400)), 0);
    assert_eq!(stock_of(0).wanted(KEY, END, at(9_399)), 20);
    // Nor more than find room.
    assert_eq!(stock_of(195).wanted(TokenKeyId([2; 32]), END, at(0)), 5);
}

#[test]
fn a_token_is_taken_out_once_and_what_ends_first_goes_first() {
    let mut stock = TokenStock::new();
    stock.put(token(1, 1), at(9_000));
    stock.put(token(2, 2), at(8_000));
    stock.put(token(3, 3), at(7_000));
    let keys = [TokenKeyId([1; 32]), TokenKeyId([2; 32])];
    assert_eq!(stock.take(&keys, at(0)), Some(token(2, 2)));
    assert_eq!(stock.take(&keys, at(0)), Some(token(1, 1)));
    assert_eq!(stock.take(&keys, at(0)), None);
    assert_eq!(stock.count(TokenKeyId([3; 32]), at(0)), 1);
    // Ten minutes before its end it is gone.
    assert_eq!(stock.take(&[TokenKeyId([3; 32])], at(6_400)), None);
    assert_eq!(stock.to_bytes().len(), 1);
}

#[test]
fn a_stock_comes_back_from_the_profile() {
    let stock = stock_of(3);
    let bytes = stock.to_bytes();
    let mut read = TokenStock::from_bytes(&bytes).unwrap();
    assert_eq!(read.to_bytes(), bytes);
    assert_eq!(read.take(&[KEY], at(0)), Some(token(1, 0)));
    assert_eq!(format!("{read:?}"), "TokenStock(2)");
    assert_eq!(
        TokenStock::from_bytes(&TokenStock::new().to_bytes())
            .unwrap()
            .count(KEY, at(0)),
        0
    );

    let full = stock_of(201).to_bytes();
    assert_eq!(full.len(), 1 + 200 * 362);
    let too_many = [full.as_slice(), &full[1..363]].concat();
    let mut other_version = bytes.to_vec();
    other_version[0] = 2;
    let mut other_type = bytes.to_vec();
    other_type[10] = 1;
    for bytes in [
        &[],
        &bytes[..bytes.len() - 1],
        &other_version,
        &other_type,
        &too_many,
    ] {
        assert_eq!(TokenStock::from_bytes(bytes).err(), Some(StockError));
    }
}
