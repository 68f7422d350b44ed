//! A persistent map that knows the hash of its contents.

use std::{fmt, ops::RangeBounds, sync::Arc};

use imbl::OrdMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::DeserializeOwned};

use crate::hash::hash_of;

/// An ordered map whose clone costs nothing and whose digest is kept up to date with each change.
#[derive(Clone)]
pub struct Table<K: Ord + Clone, V> {
    rows: OrdMap<K, Row<V>>,
    /// Sum of the row hashes: independent of the order in which rows came.
    digest: u64,
}

struct Row<V> {
    value: Arc<V>,
    hash: u64,
}

impl<V> Clone for Row<V> {
    fn clone(&self) -> Self {
        Self {
            value: Arc::clone(&self.value),
            hash: self.hash,
        }
    }
}

impl<K: Ord + Clone + Serialize, V: Serialize> Table<K, V> {
    /// The row of a key.
    pub fn get(&self, key: &K) -> Option<&Arc<V>> {
        self.rows.get(key).map(|row| &row.value)
    }

    /// Whether there is a row of this key.
    pub fn contains(&self, key: &K) -> bool {
        self.rows.contains_key(key)
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// All rows by ascending key.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&K, &Arc<V>)> {
        self.rows.iter().map(|(key, row)| (key, &row.value))
    }

    /// All values by ascending key.
    pub fn values(&self) -> impl DoubleEndedIterator<Item = &Arc<V>> {
        self.rows.values().map(|row| &row.value)
    }

    /// The rows whose keys lie in a range.
    pub fn range(
        &self,
        range: impl RangeBounds<K>,
    ) -> impl DoubleEndedIterator<Item = (&K, &Arc<V>)> {
        self.rows.range(range).map(|(key, row)| (key, &row.value))
    }

    /// The row with the smallest key.
    pub fn first(&self) -> Option<(&K, &Arc<V>)> {
        self.rows.get_min().map(|(key, row)| (key, &row.value))
    }

    /// Hash of all keys and values, whatever the order in which they came.
    pub fn digest(&self) -> u64 {
        self.digest
    }

    pub(crate) fn insert(&mut self, key: K, value: V) -> Option<Arc<V>> {
        let hash = hash_of(&(&key, &value));
        let old = self.rows.insert(
            key,
            Row {
                value: Arc::new(value),
                hash,
            },
        );
        self.digest = self.digest.wrapping_add(hash);
        old.map(|row| {
            self.digest = self.digest.wrapping_sub(row.hash);
            row.value
        })
    }

    pub(crate) fn remove(&mut self, key: &K) -> Option<Arc<V>> {
        let row = self.rows.remove(key)?;
        self.digest = self.digest.wrapping_sub(row.hash);
        Some(row.value)
    }
}

impl<K: Ord + Clone, V> Default for Table<K, V> {
    fn default() -> Self {
        Self {
            rows: OrdMap::new(),
            digest: 0,
        }
    }
}

impl<K: Ord + Clone + fmt::Debug, V: fmt::Debug> fmt::Debug for Table<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(self.rows.iter().map(|(key, row)| (key, &row.value)))
            .finish()
    }
}

impl<K: Ord + Clone, V: PartialEq> PartialEq for Table<K, V> {
    fn eq(&self, other: &Self) -> bool {
        self.rows.len() == other.rows.len()
            && self
                .rows
                .iter()
                .zip(other.rows.iter())
                .all(|(mine, theirs)| {
                    mine.0 == theirs.0
                        && mine.1.hash == theirs.1.hash
                        && mine.1.value == theirs.1.value
                })
    }
}

impl<K: Ord + Clone + Serialize, V: Serialize> Serialize for Table<K, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de, K, V> Deserialize<'de> for Table<K, V>
where
    K: Ord + Clone + Serialize + DeserializeOwned,
    V: Serialize + DeserializeOwned,
{
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let rows: Vec<(K, V)> = Vec::deserialize(deserializer)?;
        let mut table = Self::default();
        for (key, value) in rows {
            table.insert(key, value);
        }
        Ok(table)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_follows_the_contents_and_not_the_way_to_them() {
        let mut one = Table::default();
        one.insert(1u32, "alice".to_owned());
        one.insert(2, "bob".to_owned());
        let mut two = Table::default();
        two.insert(2u32, "carol".to_owned());
        two.insert(3, "dave".to_owned());
        two.insert(2, "bob".to_owned());
        two.remove(&3);
        assert_ne!(one.digest(), two.digest());
        two.insert(1, "alice".to_owned());
        assert_eq!(one.digest(), two.digest());
        assert_eq!(one, two);
        let packed = rmp_serde::to_vec_named(&one).unwrap();
        let read: Table<u32, String> = rmp_serde::from_slice(&packed).unwrap();
        assert_eq!(read.digest(), one.digest());
    }
}
