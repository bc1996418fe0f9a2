//! From settings as they are written to their types. Every error says which setting it is about
//! and where it stands; text from the environment becomes what its setting is.

use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error, IntoDeserializer, MapAccess, SeqAccess,
    Unexpected, VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use super::tree::{Node, Table, Value};
use super::wrong::Wrong;

/// One setting, or all of them.
pub(super) struct Setting<'a> {
    node: &'a Node,
    name: String,
}

impl<'a> Setting<'a> {
    pub(super) fn root(node: &'a Node) -> Self {
        Self {
            node,
            name: String::new(),
        }
    }

    fn wrong(&self, wrong: Wrong) -> Wrong {
        wrong.at(&self.name, &self.node.place)
    }

    /// Text from the environment, read as whatever `T` is.
    fn parsed<T: std::str::FromStr>(&self, text: &str, expected: &str) -> Result<T, Wrong> {
        text.trim().parse().map_err(|_| {
            let found = Unexpected::Str(text);
            self.wrong(Wrong::custom(format_args!(
                "expected {expected}, found {found}"
            )))
        })
    }
}

macro_rules! numbers {
    ($($method:ident $visit:ident $type:ty, $expected:literal;)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
            match &self.node.value {
                Value::Text(text) => visitor.$visit(self.parsed::<$type>(text, $expected)?),
                _ => self.deserialize_any(visitor),
            }
        }
    )*};
}

impl<'de> Deserializer<'de> for Setting<'_> {
    type Error = Wrong;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        let done = match &self.node.value {
            Value::Text(text) | Value::String(text) => visitor.visit_str(text),
            Value::Integer(number) => visitor.visit_i64(*number),
            Value::Float(number) => visitor.visit_f64(*number),
            Value::Boolean(yes) => visitor.visit_bool(*yes),
            Value::List(list) => visitor.visit_seq(Elements::new(list, &self.name)),
            Value::Table(table) => visitor.visit_map(Fields::new(table, &self.name)),
        };
        done.map_err(|wrong| self.wrong(wrong))
    }

    numbers! {
        deserialize_bool visit_bool bool, "true or false";
        deserialize_u8 visit_u8 u8, "a whole number from 0 to 255";
        deserialize_u16 visit_u16 u16, "a whole number from 0 to 65535";
        deserialize_u32 visit_u32 u32, "a whole number of at least 0";
        deserialize_u64 visit_u64 u64, "a whole number of at least 0";
        deserialize_i8 visit_i8 i8, "a whole number";
        deserialize_i16 visit_i16 i16, "a whole number";
        deserialize_i32 visit_i32 i32, "a whole number";
        deserialize_i64 visit_i64 i64, "a whole number";
        deserialize_f32 visit_f32 f32, "a number";
        deserialize_f64 visit_f64 f64, "a number";
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        match &self.node.value {
            // An empty variable is one that is not set.
            Value::Text(text) if text.is_empty() => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        match self.node.list().map_err(|wrong| self.wrong(wrong))? {
            Some(list) => visitor
                .visit_seq(Elements::new(&list, &self.name))
                .map_err(|wrong| self.wrong(wrong)),
            None => self.deserialize_any(visitor),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        match self.node.table().map_err(|wrong| self.wrong(wrong))? {
            Some(table) => visitor
                .visit_map(Fields::new(&table, &self.name))
                .map_err(|wrong| self.wrong(wrong)),
            None => self.deserialize_any(visitor),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        let table = self.node.table().map_err(|wrong| self.wrong(wrong))?;
        let done = match (&table, &self.node.value) {
            (Some(table), _) => match table.iter().next() {
                Some((variant, node)) if table.len() == 1 => visitor.visit_enum(Variant {
                    name: variant,
                    content: Some(Setting {
                        name: below(&self.name, variant),
                        node,
                    }),
                }),
                _ => Err(Wrong::custom(format_args!(
                    "expected exactly one of {}",
                    variants.join(", ")
                ))),
            },
            (None, Value::Text(text) | Value::String(text)) => visitor.visit_enum(Variant {
                name: text,
                content: None,
            }),
            _ => Err(Wrong::custom(format_args!(
                "expected one of {}",
                variants.join(", ")
            ))),
        };
        done.map_err(|wrong| self.wrong(wrong))
    }

    forward_to_deserialize_any! {
        i128 u128 char str string bytes byte_buf unit unit_struct tuple tuple_struct identifier
        ignored_any
    }
}

struct Elements<'a> {
    rest: std::iter::Enumerate<std::slice::Iter<'a, Node>>,
    name: &'a str,
}

impl<'a> Elements<'a> {
    fn new(list: &'a [Node], name: &'a str) -> Self {
        Self {
            rest: list.iter().enumerate(),
            name,
        }
    }
}

impl<'de> SeqAccess<'de> for Elements<'_> {
    type Error = Wrong;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Wrong> {
        let Some((index, node)) = self.rest.next() else {
            return Ok(None);
        };
        let name = format!("{}[{index}]", self.name);
        read(seed, node, name).map(Some)
    }
}

struct Fields<'a> {
    rest: std::collections::btree_map::Iter<'a, String, Node>,
    value: Option<(&'a str, &'a Node)>,
    name: &'a str,
}

impl<'a> Fields<'a> {
    fn new(table: &'a Table, name: &'a str) -> Self {
        Self {
            rest: table.iter(),
            value: None,
            name,
        }
    }
}

impl<'de> MapAccess<'de> for Fields<'_> {
    type Error = Wrong;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Wrong> {
        let Some((key, node)) = self.rest.next() else {
            return Ok(None);
        };
        self.value = Some((key, node));
        let text: StrDeserializer<'_, Wrong> = key.as_str().into_deserializer();
        seed.deserialize(text)
            .map(Some)
            .map_err(|wrong| wrong.at(&below(self.name, key), &node.place))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Wrong> {
        match self.value.take() {
            Some((key, node)) => read(seed, node, below(self.name, key)),
            None => Err(Wrong::custom("a value without a key")),
        }
    }
}

struct Variant<'a> {
    name: &'a str,
    content: Option<Setting<'a>>,
}

impl<'de, 'a> EnumAccess<'de> for Variant<'a> {
    type Error = Wrong;
    type Variant = Content<'a>;

    fn variant_seed<V: DeserializeSeed<'de>>(
        self,
        seed: V,
    ) -> Result<(V::Value, Self::Variant), Wrong> {
        let text: StrDeserializer<'_, Wrong> = self.name.into_deserializer();
        Ok((seed.deserialize(text)?, Content(self.content)))
    }
}

struct Content<'a>(Option<Setting<'a>>);

impl<'a> Content<'a> {
    fn some(self) -> Result<Setting<'a>, Wrong> {
        self.0
            .ok_or_else(|| Wrong::custom("a value is missing: write it as { name = value }"))
    }
}

impl<'de> VariantAccess<'de> for Content<'_> {
    type Error = Wrong;

    fn unit_variant(self) -> Result<(), Wrong> {
        match self.0 {
            None => Ok(()),
            Some(_) => Err(Wrong::custom("takes no value: write it as a string")),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Wrong> {
        let setting = self.some()?;
        read(seed, setting.node, setting.name)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Wrong> {
        self.some()?.deserialize_seq(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        self.some()?.deserialize_map(visitor)
    }
}

fn read<'de, S: DeserializeSeed<'de>>(
    seed: S,
    node: &Node,
    name: String,
) -> Result<S::Value, Wrong> {
    let place = node.place.clone();
    let setting = name.clone();
    // What an untagged type says of its content comes without a place of its own.
    seed.deserialize(Setting { node, name })
        .map_err(|wrong| wrong.at(&setting, &place))
}

fn below(table: &str, key: &str) -> String {
    if table.is_empty() {
        key.to_owned()
    } else {
        format!("{table}.{key}")
    }
}
