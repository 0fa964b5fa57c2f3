//! Hand-written kernels of the CPU device `flex`, and their way into the graph of derivatives.
//!
//! A chain of tensor operations passes over memory once for each link, on one thread below four million numbers. A
//! [`Kernel`] does the work of a chain in one pass, on all threads, and brings its own derivative. It runs where
//! [`serves`] says so; everywhere else the chain does, so that no other device needs to know of kernels.
//!
//! Results do not depend on the number of threads: work is cut into pieces by its size alone, and sums over pieces are
//! taken in the pieces' order. A resumed run depends on this.

pub(super) mod activation;
pub(super) mod attention;
pub(super) mod conv2d;
pub(super) mod cross_entropy;
pub(super) mod group_norm;
mod lanes;
pub(super) mod linear;
mod memory;
pub(super) mod neighbourhood;
pub(super) mod norm;
mod parallel;
mod product;
mod shared;
mod vectorize;

use std::fmt::Debug;
use std::sync::Arc;

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, DispatchTensorKind, ExtensionType, Flex, backend_extension};
use burn::tensor::{DType, Tensor};

/// One fused operation: everything about it but its tensors.
pub(super) trait Kernel: Debug + Send + Sync + 'static {
    /// The result.
    fn forward(&self, inputs: &[FlexTensor]) -> FlexTensor;

    /// Gradients with respect to the inputs, from the gradient of the result. Those not `wanted` may be left out; the
    /// others must have the shape of their input.
    fn backward(&self, inputs: &[FlexTensor], gradient: &FlexTensor, wanted: &[bool]) -> Vec<Option<FlexTensor>>;
}

/// Whether kernels exist for this tensor: numbers of 32 bits, on the CPU device.
pub(super) fn serves<const D: usize>(x: &Tensor<D>) -> bool {
    if x.dtype() != DType::F32 {
        return false;
    }
    match x.clone().into_dispatch().kind {
        DispatchTensorKind::Flex(_) => true,
        DispatchTensorKind::Autodiff(inner) => matches!(*inner, DispatchTensorKind::Flex(_)),
        #[allow(unreachable_patterns)]
        _ => false,
    }
}

/// Whether [`serves`] says so and no derivative can be asked for: some kernels have none.
pub(super) fn serves_outside_of_graphs<const D: usize>(x: &Tensor<D>) -> bool {
    serves(x) && !matches!(x.clone().into_dispatch().kind, DispatchTensorKind::Autodiff(_))
}

/// The derivative of kernels that run where [`serves_outside_of_graphs`] says so, which nothing can ask for.
fn outside_of_graphs() -> Vec<Option<FlexTensor>> {
    unreachable!("this kernel runs outside of graphs of derivatives alone")
}

/// Runs a kernel; derivatives flow through it as through any operation of the framework.
pub(super) fn call<const D: usize>(kernel: impl Kernel, inputs: Inputs<Dispatch>) -> Tensor<D> {
    Tensor::from_dispatch(<Dispatch as RunKernel>::run_kernel(inputs, Arc::new(kernel)))
}

/// [`call`]: the kernel, then its tensors of whatever rank.
macro_rules! run {
    (@ $kernel:expr, $inputs:ident, $($input:expr),+) => {
        $crate::ops::flex::call(
            $kernel,
            $crate::ops::flex::Inputs::$inputs($(burn::tensor::Tensor::into_dispatch($input)),+),
        )
    };
    ($kernel:expr, $a:expr) => { run!(@ $kernel, One, $a) };
    ($kernel:expr, $a:expr, $b:expr) => { run!(@ $kernel, Two, $a, $b) };
    ($kernel:expr, $a:expr, $b:expr, $c:expr) => { run!(@ $kernel, Three, $a, $b, $c) };
    ($kernel:expr, $a:expr, $b:expr, $c:expr, $d:expr) => { run!(@ $kernel, Four, $a, $b, $c, $d) };
    ($kernel:expr, $a:expr, $b:expr, $c:expr, $d:expr, $e:expr) => { run!(@ $kernel, Five, $a, $b, $c, $d, $e) };
}
pub(super) use run;

/// Tensors of a kernel.
#[derive(ExtensionType)]
pub(crate) enum Inputs<B: Backend> {
    One(FloatTensor<B>),
    Two(FloatTensor<B>, FloatTensor<B>),
    Three(FloatTensor<B>, FloatTensor<B>, FloatTensor<B>),
    Four(FloatTensor<B>, FloatTensor<B>, FloatTensor<B>, FloatTensor<B>),
    Five(FloatTensor<B>, FloatTensor<B>, FloatTensor<B>, FloatTensor<B>, FloatTensor<B>),
}

/// How the framework finds a kernel's tensors under its type of tensors for all devices.
#[backend_extension(Autodiff, Flex)]
pub(crate) trait RunKernel: Backend {
    /// Calls [`Kernel::forward`], and [`Kernel::backward`] when its time comes.
    fn run_kernel(#[extension_type] inputs: Inputs<Self>, kernel: Arc<dyn Kernel>) -> FloatTensor<Self>;
}

impl RunKernel for Flex {
    fn run_kernel(inputs: Inputs<Self>, kernel: Arc<dyn Kernel>) -> FlexTensor {
        match inputs {
            Inputs::One(a) => kernel.forward(&[a]),
            Inputs::Two(a, b) => kernel.forward(&[a, b]),
            Inputs::Three(a, b, c) => kernel.forward(&[a, b, c]),
            Inputs::Four(a, b, c, d) => kernel.forward(&[a, b, c, d]),
            Inputs::Five(a, b, c, d, e) => kernel.forward(&[a, b, c, d, e]),
        }
    }
}

impl<C: CheckpointStrategy> RunKernel for Autodiff<Flex, C> {
    fn run_kernel(inputs: Inputs<Self>, kernel: Arc<dyn Kernel>) -> FloatTensor<Self> {
        match inputs {
            Inputs::One(a) => differentiable::<C, 1>([a], kernel),
            Inputs::Two(a, b) => differentiable::<C, 2>([a, b], kernel),
            Inputs::Three(a, b, c) => differentiable::<C, 3>([a, b, c], kernel),
            Inputs::Four(a, b, c, d) => differentiable::<C, 4>([a, b, c, d], kernel),
            Inputs::Five(a, b, c, d, e) => differentiable::<C, 5>([a, b, c, d, e], kernel),
        }
    }
}

/// The derivative of any kernel of `N` inputs, as the framework wants it. Keeps the inputs, and nothing else.
#[derive(Debug)]
struct Derivative<const N: usize>;

fn differentiable<C: CheckpointStrategy, const N: usize>(
    inputs: [FloatTensor<Autodiff<Flex, C>>; N],
    kernel: Arc<dyn Kernel>,
) -> FloatTensor<Autodiff<Flex, C>> {
    let primitives: Vec<FlexTensor> = inputs.iter().map(|input| input.primitive().clone()).collect();
    let output = kernel.forward(&primitives);
    let nodes = inputs.each_ref().map(|input| input.node());
    match Derivative::<N>.prepare::<C>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(graph) => graph.finish((primitives, kernel), output),
        OpsKind::UnTracked(graph) => graph.finish(output),
    }
}

impl<const N: usize> Backward<Flex, N> for Derivative<N> {
    type State = (Vec<FlexTensor>, Arc<dyn Kernel>);

    fn backward(self, ops: Ops<Self::State, N>, gradients: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let (inputs, kernel) = ops.state;
        let gradient = gradients.consume::<Flex>(&ops.node);
        let wanted = ops.parents.each_ref().map(Option::is_some);
        let parts = kernel.backward(&inputs, &gradient, &wanted);
        for (parent, part) in ops.parents.into_iter().zip(parts) {
            if let (Some(parent), Some(part)) = (parent, part) {
                gradients.register::<Flex>(parent.id, part);
            }
        }
    }
}
