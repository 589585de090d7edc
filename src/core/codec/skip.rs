//! Steps over values of any Avro type that nobody reads.
//!
//! A producer may add records, arrays of unions, trees. Their schemas are turned into nodes that
//! only know how to get past a value. Two things could make a small record expensive: items without
//! bytes (an array may claim 2^62 nulls), and types that contain themselves. So values of a fixed
//! size, zero included, are one node whatever their structure; arrays of such items are skipped
//! without a loop; and nesting is bounded. Every other node takes at least one byte, so skipping is
//! linear in the record's bytes.

use std::collections::HashMap;

use apache_avro::Schema;
use apache_avro::schema::{DecimalSchema, InnerDecimalSchema, Name, UuidSchema};

use super::MAX_SKIP_DEPTH;
use super::cursor::{Cursor, Fault};
use super::schema::Parsed;

/// The index of a node in [`Skipper::nodes`].
pub(super) type NodeId = usize;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Node {
    /// So many bytes.
    Fixed(usize),
    /// A variable-length number.
    Varint,
    /// A length, then so many bytes.
    Bytes,
    Union(Box<[NodeId]>),
    Array(NodeId),
    Map(NodeId),
    Record(Box<[NodeId]>),
}

/// The nodes of one producer schema's unread types; a recursive type is a cycle.
#[derive(Debug, Default)]
pub(super) struct Skipper {
    nodes: Vec<Node>,
    named: HashMap<Name, NodeId>,
}

impl Skipper {
    /// Adds the node that steps over values of `schema`.
    pub(super) fn add(&mut self, schema: &Schema, parsed: &Parsed<'_>) -> NodeId {
        let node = match schema {
            Schema::Ref { name } => return self.add_named(name, parsed),
            Schema::Record(record) => return self.add_named(&record.name, parsed),
            Schema::Array(array) => Node::Array(self.add(&array.items, parsed)),
            Schema::Map(map) => Node::Map(self.add(&map.types, parsed)),
            Schema::Union(union) => Node::Union(
                union.variants().iter().map(|variant| self.add(variant, parsed)).collect(),
            ),
            scalar => scalar_node(scalar),
        };
        self.push(node)
    }

    fn push(&mut self, node: Node) -> NodeId {
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    fn add_named(&mut self, name: &Name, parsed: &Parsed<'_>) -> NodeId {
        if let Some(&id) = self.named.get(name) {
            return id;
        }
        let schema = parsed.named(name);
        let Schema::Record(record) = schema else {
            let id = self.push(scalar_node(schema));
            self.named.insert(name.clone(), id);
            return id;
        };
        // The node's index is reserved before its fields are visited, so that they can refer to it.
        let id = self.push(Node::Record(Box::default()));
        self.named.insert(name.clone(), id);
        let fields = record.fields.iter().map(|field| self.add(&field.schema, parsed)).collect();
        self.nodes[id] = self.record_node(fields);
        id
    }

    fn record_node(&self, mut fields: Vec<NodeId>) -> Node {
        let sizes: Option<Vec<usize>> = fields.iter().map(|&id| self.fixed_size(id)).collect();
        if let Some(sizes) = sizes {
            return Node::Fixed(sizes.into_iter().fold(0, usize::saturating_add));
        }
        fields.retain(|&id| self.fixed_size(id) != Some(0));
        Node::Record(fields.into_boxed_slice())
    }

    fn fixed_size(&self, id: NodeId) -> Option<usize> {
        match self.nodes[id] {
            Node::Fixed(size) => Some(size),
            _ => None,
        }
    }

    /// Moves the cursor past one value of node `id`.
    pub(super) fn skip(&self, id: NodeId, cursor: &mut Cursor<'_>) -> Result<(), Fault> {
        self.skip_at(id, cursor, 0)
    }

    fn skip_at(&self, id: NodeId, cursor: &mut Cursor<'_>, depth: u32) -> Result<(), Fault> {
        if depth > MAX_SKIP_DEPTH {
            return Err(Fault::TooDeep);
        }
        match &self.nodes[id] {
            Node::Fixed(size) => cursor.take(*size).map(drop),
            Node::Varint => cursor.long().map(drop),
            Node::Bytes => cursor.bytes().map(drop),
            Node::Union(branches) => {
                let index = cursor.index(Fault::UnknownBranch)?;
                let branch = *branches.get(index).ok_or(Fault::UnknownBranch)?;
                self.skip_at(branch, cursor, depth + 1)
            }
            Node::Record(fields) => {
                fields.iter().try_for_each(|&field| self.skip_at(field, cursor, depth + 1))
            }
            Node::Array(item) => self.skip_blocks(*item, false, cursor, depth),
            Node::Map(item) => self.skip_blocks(*item, true, cursor, depth),
        }
    }

    /// Skips blocks of items up to an empty one. After a negative count comes the block's size in
    /// bytes, which allows jumping over it.
    fn skip_blocks(
        &self,
        item: NodeId,
        keyed: bool,
        cursor: &mut Cursor<'_>,
        depth: u32,
    ) -> Result<(), Fault> {
        loop {
            let count = match cursor.long()? {
                0 => return Ok(()),
                ..0 => {
                    cursor.bytes()?;
                    continue;
                }
                count => usize::try_from(count).map_err(|_| Fault::Truncated)?,
            };
            if let (false, Some(size)) = (keyed, self.fixed_size(item)) {
                cursor.take(count.saturating_mul(size))?;
                continue;
            }
            if count > cursor.left() {
                return Err(Fault::Truncated);
            }
            for _ in 0..count {
                if keyed {
                    cursor.bytes()?;
                }
                self.skip_at(item, cursor, depth + 1)?;
            }
        }
    }
}

fn scalar_node(schema: &Schema) -> Node {
    match schema {
        Schema::Null => Node::Fixed(0),
        Schema::Boolean => Node::Fixed(1),
        Schema::Float => Node::Fixed(4),
        Schema::Double => Node::Fixed(8),
        Schema::Fixed(fixed)
        | Schema::Duration(fixed)
        | Schema::Uuid(UuidSchema::Fixed(fixed))
        | Schema::Decimal(DecimalSchema { inner: InnerDecimalSchema::Fixed(fixed), .. }) => {
            Node::Fixed(fixed.size)
        }
        Schema::Bytes
        | Schema::String
        | Schema::BigDecimal
        | Schema::Uuid(_)
        | Schema::Decimal(_) => Node::Bytes,
        _ => Node::Varint,
    }
}
