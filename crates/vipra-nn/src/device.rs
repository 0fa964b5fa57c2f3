//! Devices by name.
//!
//! A device is always named: the framework's own default would prefer whichever GPU it finds. `flex` is the CPU. The
//! others are there if the feature of that name was built in, perhaps with a number: `cuda:1` is the second GPU,
//! `vulkan:1` the second discrete GPU; `vulkan` alone is the best adapter there is. `wgpu` is whichever graphics API the
//! system has, with shaders in WGSL: these run on Mesa's software driver too, which falls over the SPIR-V of `vulkan`.

use burn::module::Module;
use burn::tensor::Device;

use crate::{Error, Result};

/// All kinds of devices, and whether this build has them.
const KINDS: [(&str, bool); 6] = [
    ("flex", true),
    ("wgpu", cfg!(feature = "wgpu")),
    ("vulkan", cfg!(feature = "vulkan")),
    ("metal", cfg!(feature = "metal")),
    ("cuda", cfg!(feature = "cuda")),
    ("rocm", cfg!(feature = "rocm")),
];

/// Names of the devices that this build has.
pub fn available() -> Vec<&'static str> {
    KINDS.iter().filter(|(_, built)| *built).map(|(kind, _)| *kind).collect()
}

/// The device of that name, without autodiff.
///
/// # Errors
/// [`Error::Device`] for a name that is unknown, a device that was not built in, and a graphics API without adapter.
/// Whether a device of CUDA or ROCm is there shows at its first use.
pub fn named(name: &str) -> Result<Device> {
    find(name).map_err(|reason| {
        let kind = name.split(':').next();
        let reason = match KINDS.iter().any(|(known, _)| kind == Some(*known)) {
            true => format!("no device `{name}`: {reason}"),
            false => format!("unknown device `{name}`; {reason}"),
        };
        Error::Device { name: name.to_owned(), reason }
    })
}

/// The device of a module's parameters; the CPU if it has none.
pub fn of<M: Module>(module: &M) -> Device {
    module.devices().into_iter().next().unwrap_or_else(Device::flex)
}

fn find(name: &str) -> Result<Device, String> {
    let (kind, number) = match name.split_once(':') {
        None => (name, None),
        Some((kind, number)) => match number.parse::<usize>() {
            Ok(number) => (kind, Some(number)),
            Err(_) => return Err("a number is expected behind the colon".to_owned()),
        },
    };
    match kind {
        "flex" if number.is_none() => Ok(Device::flex()),
        "flex" => Err("the CPU has no number".to_owned()),
        #[cfg(feature = "wgpu")]
        "wgpu" => graphics::device(name, number, graphics::Api::Auto),
        #[cfg(feature = "vulkan")]
        "vulkan" => graphics::device(name, number, graphics::Api::Vulkan),
        #[cfg(feature = "metal")]
        "metal" => graphics::device(name, number, graphics::Api::Metal),
        #[cfg(feature = "cuda")]
        "cuda" => Ok(Device::cuda(number.unwrap_or(0))),
        #[cfg(feature = "rocm")]
        "rocm" => Ok(Device::rocm(number.unwrap_or(0))),
        _ => {
            let known = KINDS.iter().any(|(known, _)| *known == kind);
            let fault = if known { format!("it needs the feature `{kind}`; ") } else { String::new() };
            Err(format!("{fault}this build has: {}", available().join(", ")))
        }
    }
}

/// Adapters of graphics APIs. Started here and not by the first tensor, since that would panic where there is none.
#[cfg(any(feature = "wgpu", feature = "vulkan", feature = "metal"))]
mod graphics {
    use std::sync::{Mutex, PoisonError};

    pub(super) use burn::tensor::wgpu::WgpuBackend as Api;
    use burn::tensor::wgpu::WgpuInitError;
    use burn::tensor::{Device, DeviceKind};

    /// What was started, by name: an adapter can be started once.
    static STARTED: Mutex<Vec<(String, Device)>> = Mutex::new(Vec::new());

    pub(super) fn device(name: &str, number: Option<usize>, api: Api) -> Result<Device, String> {
        let kind = number.map_or(DeviceKind::DefaultDevice, DeviceKind::DiscreteGpu);
        let mut started = STARTED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, device)) = started.iter().find(|(started, _)| started == name) {
            return Ok(device.clone());
        }
        let device = match Device::wgpu_options().device_kind(kind.clone()).graphics_api(api).init() {
            Ok(device) => device,
            // A tensor started it before.
            Err(WgpuInitError::Registration { .. }) => match api {
                #[cfg(feature = "wgpu")]
                Api::Auto => Device::wgpu(kind),
                #[cfg(feature = "vulkan")]
                Api::Vulkan => Device::vulkan(kind),
                #[cfg(feature = "metal")]
                Api::Metal => Device::metal(kind),
                other => return Err(format!("{other:?} is not built in")),
            },
            Err(error) => return Err(error.to_string()),
        };
        started.push((name.to_owned(), device.clone()));
        Ok(device)
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::{KINDS, available, named};

    #[test]
    fn the_cpu_is_always_there() {
        assert_eq!(available()[0], "flex");
        assert_eq!(named("flex").unwrap(), Device::flex());
        assert!(!named("flex").unwrap().is_autodiff());
    }

    #[test]
    fn what_is_not_there_is_named_with_what_is() {
        let reason = |name: &str| named(name).unwrap_err().to_string();
        assert!(reason("gpu").contains("unknown device `gpu`; this build has: flex"), "{}", reason("gpu"));
        assert!(reason("").contains("unknown device"));
        assert!(reason("flex:0").contains("no number"));
        assert!(reason("cuda:first").contains("number is expected"));
        for (kind, built) in KINDS {
            if !built {
                assert!(reason(kind).contains(&format!("needs the feature `{kind}`; this build has: flex")));
            }
        }
    }
}
