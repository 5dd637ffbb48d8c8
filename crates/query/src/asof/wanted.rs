//! Which rows of a view's files are wanted, and their numbers.

use datafusion::arrow::buffer::{BooleanBuffer, MutableBuffer};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::FileGroup;
use datafusion::datasource::physical_plan::parquet::ParquetAccessPlan;
use datafusion::parquet::arrow::arrow_reader::RowSelection;
use datafusion::parquet::file::metadata::ParquetMetaData;

use super::pick::Unit;

/// The rows of a file that are wanted, and their numbers among all that are wanted.
pub(super) struct Wanted {
    /// How many rows each row group has.
    groups: Vec<usize>,
    /// A bit for each row.
    bits: Vec<u64>,
    /// How many are wanted before each 64 rows, in this file and those before it.
    before: Vec<u32>,
}

impl Wanted {
    /// None of a file's rows.
    pub(super) fn none(footer: &ParquetMetaData) -> Self {
        let groups: Vec<_> = footer.row_groups().iter().map(|group| group.num_rows() as usize).collect();
        let rows: usize = groups.iter().sum();
        Wanted { groups, bits: vec![0; rows.div_ceil(64)], before: Vec::new() }
    }

    /// A row is wanted.
    pub(super) fn set(&mut self, row: usize) {
        self.bits[row / 64] |= 1 << (row % 64);
    }

    /// Numbers the rows wanted, from `first` on; says which number comes next.
    pub(super) fn count(&mut self, first: u32) -> u32 {
        let mut next = first;
        self.before = Vec::with_capacity(self.bits.len());
        for bits in &self.bits {
            self.before.push(next);
            next += bits.count_ones();
        }
        next
    }

    /// The number of a row that is wanted.
    pub(super) fn number(&self, row: usize) -> u32 {
        let below = self.bits[row / 64] & ((1 << (row % 64)) - 1);
        self.before[row / 64] + below.count_ones()
    }

    /// The wanted rows of each row group: which, and how many.
    fn by_group(&self) -> impl Iterator<Item = (usize, BooleanBuffer, usize)> {
        let bits = MutableBuffer::from(self.bits.clone()).into();
        let rows = self.groups.iter().sum();
        let all = BooleanBuffer::new(bits, 0, rows);
        let mut first = 0;
        self.groups.iter().enumerate().map(move |(group, rows)| {
            let wanted = all.slice(first, *rows);
            first += rows;
            let count = wanted.count_set_bits();
            (group, wanted, count)
        })
    }
}

/// Row groups with wanted rows, in order, in so many parts with about equally many wanted rows.
pub(super) fn divide(files: &[PartitionedFile], wanted: &[Wanted], rows: usize, partitions: usize) -> Vec<FileGroup> {
    let share = rows.div_ceil(partitions.max(1)).max(1);
    let mut groups = vec![Vec::new()];
    let mut taken = 0;
    for (file, wanted) in files.iter().zip(wanted) {
        let nothing = || {
            let mut plan = ParquetAccessPlan::new_all(wanted.groups.len());
            (0..wanted.groups.len()).for_each(|group| plan.skip(group));
            plan
        };
        let mut plan = nothing();
        let mut any = false;
        for (group, selected, count) in wanted.by_group().filter(|(_, _, count)| *count > 0) {
            if taken >= share * groups.len() {
                if std::mem::take(&mut any) {
                    add(&mut groups, file, std::mem::replace(&mut plan, nothing()));
                }
                groups.push(Vec::new());
            }
            plan.scan(group);
            if count < selected.len() {
                plan.scan_selection(group, RowSelection::from_boolean_buffer(selected));
            }
            any = true;
            taken += count;
        }
        if any {
            add(&mut groups, file, plan);
        }
    }
    groups.into_iter().map(FileGroup::new).collect()
}

fn add(groups: &mut [Vec<PartitionedFile>], file: &PartitionedFile, plan: ParquetAccessPlan) {
    if let Some(group) = groups.last_mut() {
        group.push(file.clone().with_extension(plan));
    }
}

/// Row groups with wanted rows, in order.
pub(super) fn units(wanted: &[Wanted]) -> Vec<Unit> {
    let of = |(file, wanted): (usize, &Wanted)| -> Vec<Unit> {
        let groups = wanted.by_group().filter(|(_, _, count)| *count > 0);
        groups.map(|(group, wanted, count)| Unit { file, group, wanted, count }).collect()
    };
    wanted.iter().enumerate().flat_map(of).collect()
}
