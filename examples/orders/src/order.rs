use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// An order as a client sends it; what it leaves out is one surprise, and what it says beyond these
/// members is passed over.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub struct NewOrder {
    /// What is ordered.
    pub item: String,
    /// How many of it.
    pub quantity: u32,
}

impl Default for NewOrder {
    fn default() -> Self {
        Self { item: "surprise".to_owned(), quantity: 1 }
    }
}

impl NewOrder {
    /// Reads a JSON object; no body at all is an order of nothing in particular.
    ///
    /// # Errors
    /// What is wrong with the text, for the client.
    pub fn parse(body: &[u8]) -> Result<Self, serde_json::Error> {
        if body.is_empty() { Ok(Self::default()) } else { serde_json::from_slice(body) }
    }

    /// Whether it can be taken.
    ///
    /// # Errors
    /// What is wrong with it, as a sentence for the client.
    pub fn check(&self) -> Result<(), &'static str> {
        if self.item.trim().is_empty() || self.item.len() > 100 || self.item.chars().any(char::is_control) {
            return Err("The item is 1 to 100 bytes of printable text.");
        }
        if !(1..=1000).contains(&self.quantity) {
            return Err("The quantity is 1 to 1000.");
        }
        Ok(())
    }
}

/// An order as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Order {
    /// Its number, from 1.
    pub id: u64,
    /// What is ordered.
    pub item: String,
    /// How many of it.
    pub quantity: u32,
    /// The subject of the token that it was ordered with.
    pub ordered_by: String,
}

/// The last orders, in memory: a demo has no more to keep.
#[derive(Debug, Default)]
pub struct OrderBook {
    orders: VecDeque<Order>,
    last_id: u64,
}

impl OrderBook {
    /// How many orders are kept; then the oldest makes room for the newest.
    pub const CAPACITY: usize = 1000;

    /// Takes an order.
    pub fn add(&mut self, new: NewOrder, ordered_by: &str) -> Order {
        self.last_id += 1;
        let NewOrder { item, quantity } = new;
        let order = Order { id: self.last_id, item, quantity, ordered_by: ordered_by.to_owned() };
        if self.orders.len() == Self::CAPACITY {
            self.orders.pop_front();
        }
        self.orders.push_back(order.clone());
        order
    }

    /// The order of that number, if it is still kept.
    #[must_use]
    pub fn find(&self, id: u64) -> Option<&Order> {
        self.iter().find(|order| order.id == id)
    }

    /// All that are kept, the oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &Order> {
        self.orders.iter()
    }
}
