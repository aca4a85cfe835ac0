//! `tagged_enum!`: an enum whose wire tags are written down beside its variants.
//!
//! serde's derive numbers variants by position, so that moving a line would change the wire. Here every
//! variant names its own number, and a variant can be moved, or one removed, without renumbering the others.
//! It never accepts a tag that is not in the list.

/// Defines an enum with explicit wire tags, its `TAGS` list, and its serde implementations.
///
/// A variant is `tag => Name`, `tag => Name(binding: Type)` or `tag => Name { field: Type, .. }`. On the wire
/// it is the tag as a `u32` followed by its fields in order, which is what bincode makes of a serde variant.
macro_rules! tagged_enum {
    (
        $(#[$meta:meta])*
        pub enum $Enum:ident {
            $(
                $(#[$variant_meta:meta])*
                $tag:literal => $Variant:ident
                    $( ( $bind:ident : $inner:ty ) )?
                    $( { $( $(#[$field_meta:meta])* $field:ident : $field_type:ty ),+ $(,)? } )?
            ),+ $(,)?
        }
    ) => {
        $(#[$meta])*
        pub enum $Enum {
            $(
                $(#[$variant_meta])*
                $Variant $( ( $inner ) )? $( { $( $(#[$field_meta])* $field : $field_type ),+ } )?
            ),+
        }

        impl $Enum {
            /// Every wire tag of this enum with the name of its variant.
            pub const TAGS: &'static [(u32, &'static str)] = &[ $( ($tag, stringify!($Variant)) ),+ ];

            /// The wire tag of this value.
            #[must_use]
            pub const fn tag(&self) -> u32 {
                match self { $( Self::$Variant { .. } => $tag ),+ }
            }
        }

        impl ::serde::Serialize for $Enum {
            fn serialize<S: ::serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                use ::serde::ser::SerializeStructVariant;
                match self {
                    $(
                        Self::$Variant $( ( $bind ) )? $( { $( $field ),+ } )? => {
                            const FIELDS: &[&str] =
                                &[ $( stringify!($bind), )? $( $( stringify!($field), )+ )? ];
                            #[allow(unused_mut, reason = "a variant without fields writes its tag only")]
                            let mut variant = serializer.serialize_struct_variant(
                                stringify!($Enum),
                                $tag,
                                stringify!($Variant),
                                FIELDS.len(),
                            )?;
                            $( variant.serialize_field(stringify!($bind), $bind)?; )?
                            $( $( variant.serialize_field(stringify!($field), $field)?; )+ )?
                            variant.end()
                        }
                    )+
                }
            }
        }

        impl<'de> ::serde::Deserialize<'de> for $Enum {
            fn deserialize<D: ::serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct ByTag;
                impl<'de> ::serde::de::Visitor<'de> for ByTag {
                    type Value = $Enum;

                    fn expecting(&self, out: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                        out.write_str(concat!("a known tag of ", stringify!($Enum)))
                    }

                    fn visit_enum<A: ::serde::de::EnumAccess<'de>>(
                        self,
                        access: A,
                    ) -> Result<$Enum, A::Error> {
                        use ::serde::de::{Error, VariantAccess};
                        let (tag, variant) = access.variant::<u32>()?;
                        match tag {
                            $(
                                $tag => {
                                    #[derive(::serde::Deserialize)]
                                    struct Fields {
                                        $( $bind : $inner, )?
                                        $( $( $field : $field_type, )+ )?
                                    }
                                    let Fields { $( $bind, )? $( $( $field, )+ )? } =
                                        variant.newtype_variant::<Fields>()?;
                                    Ok($Enum::$Variant $( ( $bind ) )? $( { $( $field ),+ } )?)
                                }
                            )+
                            unknown => Err(A::Error::invalid_value(
                                ::serde::de::Unexpected::Unsigned(unknown.into()),
                                &self,
                            )),
                        }
                    }
                }
                const VARIANTS: &[&str] = &[ $( stringify!($Variant) ),+ ];
                deserializer.deserialize_enum(stringify!($Enum), VARIANTS, ByTag)
            }
        }
    };
}
