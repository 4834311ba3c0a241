//! The cache by itself: hits, flights, leases, times and evictions.

mod budgets;
mod endless;
mod helpers;
mod late;
mod leases;
mod nesting;
mod polling;
mod rest;
mod times;
mod unclaimed_errors;

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex as StdMutex};
use std::time::Duration;

use super::*;
use crate::buffer::Buffer;
use crate::buffer::read::{ReadRequest, Wait};
use crate::source::Source;

/// A resource as the opener finds it.
#[derive(Clone, Copy)]
struct Resource {
    size: usize,
    tag: u64,
    seed: u8,
}

/// An opener over a table of resources, which tests change.
#[derive(Clone, Default)]
struct World {
    resources: Arc<StdMutex<HashMap<Vec<u8>, Resource>>>,
    opens: Arc<AtomicUsize>,
    closed: Arc<AtomicUsize>,
    delivered: Arc<AtomicUsize>,
}

struct Stream {
    at: usize,
    resource: Resource,
    world: World,
}

fn byte(resource: Resource, at: usize) -> u8 {
    (at / 251 + at) as u8 ^ resource.seed
}

impl Source for Stream {
    fn pull(&mut self, out: &mut [u8]) -> Result<usize> {
        let count = out.len().min(self.resource.size - self.at).min(10_000);
        for (index, out) in out[..count].iter_mut().enumerate() {
            *out = byte(self.resource, self.at + index);
        }
        self.at += count;
        self.world.delivered.fetch_add(count, Ordering::SeqCst);
        Ok(count)
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.world.closed.fetch_add(1, Ordering::SeqCst);
    }
}

impl World {
    fn set(&self, key: &str, size: usize, tag: u64, seed: u8) {
        let resource = Resource { size, tag, seed };
        let mut resources = self.resources.lock().unwrap();
        resources.insert(key.as_bytes().to_vec(), resource);
    }

    fn opens(&self) -> usize {
        self.opens.load(Ordering::SeqCst)
    }
}

impl Opener for World {
    fn open(&self, key: &[u8], _old_tag: u64) -> Result<Opened> {
        self.opens.fetch_add(1, Ordering::SeqCst);
        let resources = self.resources.lock().unwrap();
        let resource = *resources.get(key).ok_or(Error::Source {
            code: 404,
            cause: None,
        })?;
        let stream = Stream {
            at: 0,
            resource,
            world: self.clone(),
        };
        Ok(Opened {
            source: Some(Box::new(stream)),
            size: Some(resource.size as u64),
            tag: resource.tag,
        })
    }
}

const MIB: u64 = 1024 * 1024;

fn options() -> CacheOptions {
    CacheOptions {
        max_memory: 4 * MIB,
        max_disk: 16 * MIB,
        ..CacheOptions::default()
    }
}

fn cache(world: &World, options: CacheOptions) -> Shared<BufferCache> {
    let made = BufferCache::new(Box::new(world.clone()), Box::new(Unnamed), options);
    Shared::try_new(made.unwrap()).unwrap()
}

const FOREVER: OpenWait = OpenWait {
    timeout: None,
    buffered: false,
};

fn open(cache: &Shared<BufferCache>, key: &str) -> Result<Lease> {
    Ok(BufferCache::open(cache, key.as_bytes(), FOREVER)?)
}

fn read(lease: &Lease, from: usize, size: usize) -> Result<Vec<u8>> {
    let mut out = vec![0; size];
    let request = ReadRequest {
        all: true,
        wait: Wait::Forever,
        terms: None,
    };
    let count = Buffer::read(lease.buffer(), from as u64, &mut out, request)?;
    out.truncate(count);
    Ok(out)
}

fn read_whole(world: &World, lease: &Lease, key: &str) {
    let resource = world.resources.lock().unwrap()[key.as_bytes()];
    let bytes = read(lease, 0, resource.size + 1).unwrap();
    assert_eq!(bytes.len(), resource.size);
    let right = bytes
        .iter()
        .enumerate()
        .all(|(at, is)| *is == byte(resource, at));
    assert!(right, "wrong bytes of {key}");
}
