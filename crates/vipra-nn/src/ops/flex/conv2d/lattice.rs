//! Rows of a padded image, put down so that what a tap of the kernel sees of all places is one run of memory.

use super::tile::MOST_LANES;

/// Numbers of a strip: half of a second cache.
const STRIP: usize = 48 * 1024;

/// How places of a convolution's result see an image.
///
/// Along each axis, place `p` sees through tap `t` the row or column `p·stride + t − before`, or zero where that is outside.
/// Rows and columns are parted by their remainder of the stride; in a part, one place further is one number further.
#[derive(Debug, Clone)]
pub(super) struct Lattice {
    /// Channels of the image.
    pub channels: usize,
    /// Height and width of the image.
    pub image: [usize; 2],
    /// Rows and columns of places.
    pub places: [usize; 2],
    /// Taps along each axis; none sees nothing.
    pub taps: [usize; 2],
    /// Between what neighbouring places see.
    pub stride: usize,
    /// Rows and columns that the first place sees before the image; fewer than none if it sees none of the first ones.
    pub before: [isize; 2],
}

impl Lattice {
    /// Numbers of a channel that are seen from a place.
    pub(super) fn depth(&self) -> usize {
        self.channels * self.taps[0] * self.taps[1]
    }

    /// How many further places along the axis a part reaches than there are.
    fn reach(&self, axis: usize) -> usize {
        self.taps[axis].saturating_sub(1) / self.stride
    }

    /// Parts along the axis.
    fn parts(&self, axis: usize) -> usize {
        self.taps[axis].min(self.stride)
    }

    /// From a row to the next. Beyond the last place there are numbers that no place of the row belongs to.
    pub(super) fn row_stride(&self) -> usize {
        self.places[1] + self.reach(1)
    }

    /// Length of a part in a strip of so many rows of places.
    fn part_len(&self, rows: usize) -> usize {
        (rows + self.reach(0)) * self.row_stride()
    }

    /// Length of what a tap sees: places of whole rows, rounded up.
    pub(super) fn tap_len(&self, rows: usize) -> usize {
        (rows * self.row_stride()).next_multiple_of(MOST_LANES)
    }

    /// Numbers of a strip.
    pub(super) fn strip_len(&self, rows: usize) -> usize {
        // A run from the last place that a tap may start at ends behind the last part.
        self.channels * self.parts(0) * self.parts(1) * self.part_len(rows) + self.reach(1) + MOST_LANES
    }

    /// Rows of places in a strip; the last one may have fewer. Depends on nothing but the sizes.
    pub(super) fn rows_per_strip(&self) -> usize {
        let of_row = (self.channels * self.parts(0) * self.parts(1) * self.row_stride()).max(1);
        let most = (STRIP / of_row).saturating_sub(self.reach(0)).max(1);
        let strips = self.places[0].div_ceil(most).max(1);
        self.places[0].div_ceil(strips).max(1)
    }

    /// Where in a strip the runs begin, by channel, row and column of taps.
    pub(super) fn offsets(&self, rows: usize) -> Vec<usize> {
        let (part, row) = (self.part_len(rows), self.row_stride());
        let mut offsets = Vec::with_capacity(self.depth());
        for channel in 0..self.channels {
            for down in 0..self.taps[0] {
                for right in 0..self.taps[1] {
                    let index = (channel * self.parts(0) + down % self.stride) * self.parts(1) + right % self.stride;
                    offsets.push(index * part + down / self.stride * row + right / self.stride);
                }
            }
        }
        offsets
    }

    /// The strip of an image for `rows` rows of places from `first` on.
    pub(super) fn fill(&self, strip: &mut [f32], image: &[f32], first: usize, rows: usize) {
        let [height, width] = self.image;
        let mut lines = strip.chunks_exact_mut(self.row_stride());
        for channel in image.chunks_exact(height * width) {
            for down in 0..self.parts(0) {
                for right in 0..self.parts(1) {
                    for (row, line) in (first..first + rows + self.reach(0)).zip(&mut lines) {
                        let at = (row * self.stride + down) as isize - self.before[0];
                        match usize::try_from(at) {
                            Ok(at) if at < height => self.fill_line(line, &channel[at * width..][..width], right),
                            _ => line.fill(0.0),
                        }
                    }
                }
            }
        }
        // What is seen from behind the last place must be numbers, whatever was here before.
        let end = self.strip_len(rows);
        strip[end - self.reach(1) - MOST_LANES..end].fill(0.0);
    }

    /// One row of a part.
    fn fill_line(&self, line: &mut [f32], row: &[f32], right: usize) {
        let shift = right as isize - self.before[1];
        // The first number of the line that is inside of the row, and the first behind it.
        let begin = ((-shift).max(0) as usize).div_ceil(self.stride).min(line.len());
        let inside = (row.len() as isize - shift).max(0) as usize;
        let end = inside.div_ceil(self.stride).clamp(begin, line.len());
        line[..begin].fill(0.0);
        line[end..].fill(0.0);
        if begin == end {
            return;
        }
        let row = &row[((begin * self.stride) as isize + shift) as usize..];
        if self.stride == 1 {
            line[begin..end].copy_from_slice(&row[..end - begin]);
        } else {
            line[begin..end].iter_mut().zip(row.iter().step_by(self.stride)).for_each(|(to, from)| *to = *from);
        }
    }
}
