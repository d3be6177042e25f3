//! A `serde` deserializer around another one that refuses what JSON parsers let through: two members
//! of one name in an object, at any depth and even where the target type ignores them, and texts that
//! nest too deep or have too many members.
//!
//! The checks ride on the one pass that the parser makes anyway. They cost a seventh of it, where a
//! pass of their own cost one and a half.

use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{
    self, DeserializeSeed, Deserializer, EnumAccess, Error as _, MapAccess, SeqAccess, Unexpected,
    VariantAccess, Visitor,
};

use super::JsonError;
use super::names::Names;
use crate::limits::Limits;

/// `serde_json`'s own name for a value that it hands over unparsed, where no check would reach.
const RAW_VALUE: &str = "$serde_json::private::RawValue";
/// `serde_json` stops at 128 levels by itself; past this its error would come first.
const DEEPEST: usize = 100;

/// The limits, and the first of them that was broken: an error of `serde` carries nothing but text.
pub(super) struct Terms {
    depth: usize,
    members: usize,
    broken: Cell<Option<JsonError>>,
}

impl Terms {
    pub(super) fn new(limits: &Limits) -> Self {
        Self { depth: limits.depth.min(DEEPEST), members: limits.members, broken: Cell::new(None) }
    }

    pub(super) fn broken(&self) -> Option<JsonError> {
        self.broken.get()
    }

    fn break_off<E: de::Error>(&self, error: JsonError) -> E {
        self.broken.set(Some(error));
        E::custom(error)
    }

    /// Writes down the name of a member.
    #[inline]
    fn require_new<E: de::Error>(&self, name: &str, names: &mut Names) -> Result<(), E> {
        if names.len() >= self.members {
            return Err(self.break_off(JsonError::TooManyMembers));
        }
        if names.is_new(name.as_bytes()) { Ok(()) } else { Err(self.break_off(JsonError::DuplicateMember)) }
    }
}

/// Something that is wrapped, and the place in the text where it works.
#[derive(Clone, Copy)]
pub(super) struct Strict<'t, T> {
    inner: T,
    terms: &'t Terms,
    /// How many arrays and objects enclose the place.
    depth: usize,
    /// Whether an object is wanted: a struct, which `serde` would also fill from an array.
    is_struct: bool,
}

impl<'t, T> Strict<'t, T> {
    pub(super) fn new(inner: T, terms: &'t Terms) -> Self {
        Self { inner, terms, depth: 0, is_struct: false }
    }

    fn wrap<U>(&self, inner: U) -> Strict<'t, U> {
        Strict { inner, terms: self.terms, depth: self.depth, is_struct: false }
    }

    fn wrap_struct<U>(&self, inner: U) -> Strict<'t, U> {
        Strict { is_struct: true, ..self.wrap(inner) }
    }

    fn enter<E: de::Error>(&self) -> Result<usize, E> {
        if self.depth < self.terms.depth {
            Ok(self.depth + 1)
        } else {
            Err(self.terms.break_off(JsonError::TooDeep))
        }
    }
}

macro_rules! deserialize_wrapped {
    ($($method:ident($($name:ident: $type:ty),*);)*) => {$(
        #[inline]
        fn $method<V: Visitor<'de>>(self, $($name: $type,)* visitor: V) -> Result<V::Value, D::Error> {
            let visitor = self.wrap(visitor);
            self.inner.$method($($name,)* visitor)
        }
    )*};
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Strict<'_, D> {
    type Error = D::Error;

    deserialize_wrapped! {
        deserialize_any();
        deserialize_bool();
        deserialize_i8();
        deserialize_i16();
        deserialize_i32();
        deserialize_i64();
        deserialize_i128();
        deserialize_u8();
        deserialize_u16();
        deserialize_u32();
        deserialize_u64();
        deserialize_u128();
        deserialize_f32();
        deserialize_f64();
        deserialize_char();
        deserialize_str();
        deserialize_string();
        deserialize_option();
        deserialize_unit();
        deserialize_unit_struct(name: &'static str);
        deserialize_seq();
        deserialize_tuple(len: usize);
        deserialize_tuple_struct(name: &'static str, len: usize);
        deserialize_map();
        deserialize_enum(name: &'static str, variants: &'static [&'static str]);
        deserialize_identifier();
    }

    #[inline]
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        let visitor = self.wrap_struct(visitor);
        self.inner.deserialize_struct(name, fields, visitor)
    }

    /// Bytes are a string that must be one: `serde_json` would hand over lone surrogates.
    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        if name == RAW_VALUE {
            return Err(D::Error::custom("a raw value cannot be read strictly"));
        }
        let visitor = self.wrap(visitor);
        self.inner.deserialize_newtype_struct(name, visitor)
    }

    /// What the target ignores is walked through all the same: a second reader may not ignore it.
    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.deserialize_any(visitor)
    }
}

macro_rules! visit_plain {
    ($($method:ident($type:ty);)*) => {$(
        #[inline]
        fn $method<E: de::Error>(self, value: $type) -> Result<V::Value, E> {
            self.inner.$method(value)
        }
    )*};
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Strict<'_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.expecting(f)
    }

    visit_plain! {
        visit_bool(bool);
        visit_i64(i64);
        visit_i128(i128);
        visit_u64(u64);
        visit_u128(u128);
        visit_f64(f64);
        visit_str(&str);
        visit_borrowed_str(&'de str);
        visit_string(String);
        visit_bytes(&[u8]);
        visit_borrowed_bytes(&'de [u8]);
    }

    fn visit_none<E: de::Error>(self) -> Result<V::Value, E> {
        self.inner.visit_none()
    }

    fn visit_unit<E: de::Error>(self) -> Result<V::Value, E> {
        self.inner.visit_unit()
    }

    #[inline]
    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        let deserializer = self.wrap(deserializer);
        self.inner.visit_some(deserializer)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        let deserializer = self.wrap(deserializer);
        self.inner.visit_newtype_struct(deserializer)
    }

    #[inline]
    fn visit_seq<A: SeqAccess<'de>>(self, elements: A) -> Result<V::Value, A::Error> {
        if self.is_struct {
            return Err(A::Error::invalid_type(Unexpected::Seq, &self));
        }
        let elements = Strict { depth: self.enter()?, ..self.wrap(elements) };
        self.inner.visit_seq(elements)
    }

    #[inline]
    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<V::Value, A::Error> {
        let depth = self.enter()?;
        let members = Strict { depth, ..self.wrap(members) };
        self.inner.visit_map(Object { members, names: Names::default() })
    }

    fn visit_enum<A: EnumAccess<'de>>(self, access: A) -> Result<V::Value, A::Error> {
        let access = self.wrap(access);
        self.inner.visit_enum(access)
    }
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Strict<'_, A> {
    type Error = A::Error;

    #[inline]
    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        let seed = self.wrap(seed);
        self.inner.next_element_seed(seed)
    }
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Strict<'_, S> {
    type Value = S::Value;

    #[inline]
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<S::Value, D::Error> {
        let deserializer = self.wrap(deserializer);
        self.inner.deserialize(deserializer)
    }
}

/// An enum in JSON is a string, or an object of one member, whose name needs no comparing.
impl<'de, 't, A: EnumAccess<'de>> EnumAccess<'de> for Strict<'t, A> {
    type Error = A::Error;
    type Variant = Strict<'t, A::Variant>;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self::Variant), A::Error> {
        let (terms, depth) = (self.terms, self.depth);
        let (value, inner) = self.inner.variant_seed(seed)?;
        Ok((value, Strict { inner, terms, depth, is_struct: false }))
    }
}

impl<'de, A: VariantAccess<'de>> VariantAccess<'de> for Strict<'_, A> {
    type Error = A::Error;

    fn unit_variant(self) -> Result<(), A::Error> {
        self.inner.unit_variant()
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, A::Error> {
        let depth = self.enter()?;
        let seed = Strict { depth, ..self.wrap(seed) };
        self.inner.newtype_variant_seed(seed)
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, A::Error> {
        let depth = self.enter()?;
        let visitor = Strict { depth, ..self.wrap(visitor) };
        self.inner.tuple_variant(len, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        let depth = self.enter()?;
        let visitor = Strict { depth, ..self.wrap_struct(visitor) };
        self.inner.struct_variant(fields, visitor)
    }
}

/// An open object, with the names that it has had.
struct Object<'t, A> {
    members: Strict<'t, A>,
    names: Names,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Object<'_, A> {
    type Error = A::Error;

    #[inline]
    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        let terms = self.members.terms;
        self.members.inner.next_key_seed(Name { inner: seed, terms, names: &mut self.names })
    }

    #[inline]
    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        let seed = self.members.wrap(seed);
        self.members.inner.next_value_seed(seed)
    }
}

/// What is given a member's name, which is written down first.
struct Name<'t, 'n, T> {
    inner: T,
    terms: &'t Terms,
    names: &'n mut Names,
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Name<'_, '_, S> {
    type Value = S::Value;

    #[inline]
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<S::Value, D::Error> {
        self.inner.deserialize(Name { inner: deserializer, terms: self.terms, names: self.names })
    }
}

macro_rules! deserialize_number_name {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
            self.inner.$method(Name { inner: visitor, terms: self.terms, names: self.names })
        }
    )*};
}

/// A number in quotes, which the parser reads in its one spelling.
macro_rules! visit_number_name {
    ($($method:ident($type:ty);)*) => {$(
        fn $method<E: de::Error>(self, name: $type) -> Result<V::Value, E> {
            self.terms.require_new(&name.to_string(), self.names)?;
            self.inner.$method(name)
        }
    )*};
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Name<'_, '_, D> {
    type Error = D::Error;

    /// A name is a string.
    #[inline]
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.inner.deserialize_str(Name { inner: visitor, terms: self.terms, names: self.names })
    }

    deserialize_number_name! {
        deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        visitor.visit_enum(self)
    }

    serde::forward_to_deserialize_any! {
        i128 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map struct
        identifier ignored_any
    }
}

/// A name that is one of an enum's variants.
impl<'de, D: Deserializer<'de>> EnumAccess<'de> for Name<'_, '_, D> {
    type Error = D::Error;
    type Variant = NoContent<D::Error>;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self::Variant), D::Error> {
        Ok((seed.deserialize(self)?, NoContent(PhantomData)))
    }
}

/// What stands behind a variant that is a name: nothing.
struct NoContent<E>(PhantomData<E>);

impl<'de, E: de::Error> VariantAccess<'de> for NoContent<E> {
    type Error = E;

    fn unit_variant(self) -> Result<(), E> {
        Ok(())
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, _seed: S) -> Result<S::Value, E> {
        Err(E::invalid_type(Unexpected::UnitVariant, &"a name"))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _len: usize, _visitor: V) -> Result<V::Value, E> {
        Err(E::invalid_type(Unexpected::UnitVariant, &"a name"))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _fields: &'static [&'static str],
        _visitor: V,
    ) -> Result<V::Value, E> {
        Err(E::invalid_type(Unexpected::UnitVariant, &"a name"))
    }
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Name<'_, '_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.expecting(f)
    }

    #[inline]
    fn visit_str<E: de::Error>(self, name: &str) -> Result<V::Value, E> {
        self.terms.require_new(name, self.names)?;
        self.inner.visit_str(name)
    }

    #[inline]
    fn visit_borrowed_str<E: de::Error>(self, name: &'de str) -> Result<V::Value, E> {
        self.terms.require_new(name, self.names)?;
        self.inner.visit_borrowed_str(name)
    }

    visit_number_name! {
        visit_bool(bool);
        visit_i64(i64);
        visit_u64(u64);
    }
}
