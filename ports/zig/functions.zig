//! The five functions that a model needs beyond + - * / and the square root, in either kind.

const std = @import("std");
const exact = @import("exact.zig");

pub const Functions = enum {
    /// Correctly rounded.
    exact,
    /// Zig's own.
    native,

    pub fn exp(functions: Functions, x: f64) f64 {
        return switch (functions) {
            .exact => exact.exp(x),
            .native => @exp(x),
        };
    }

    pub fn log(functions: Functions, x: f64) f64 {
        return switch (functions) {
            .exact => exact.log(x),
            .native => @log(x),
        };
    }

    pub fn sin(functions: Functions, x: f64) f64 {
        return switch (functions) {
            .exact => exact.sin(x),
            .native => @sin(x),
        };
    }

    pub fn cos(functions: Functions, x: f64) f64 {
        return switch (functions) {
            .exact => exact.cos(x),
            .native => @cos(x),
        };
    }

    pub fn pow(functions: Functions, x: f64, y: f64) f64 {
        return switch (functions) {
            .exact => exact.pow(x, y),
            .native => std.math.pow(f64, x, y),
        };
    }
};
