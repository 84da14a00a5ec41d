// SPDX-License-Identifier: Apache-2.0

/// A unit of measurement: a symbol of the SenML registries (RFC 8428 section 12.1, RFC 8798).
public struct Unit: Sendable {
    public let symbol: StaticString

    /// A symbol of 1 to 16 visible ASCII characters; an empty one is no unit.
    public init(_ symbol: StaticString) { self.symbol = symbol }

    public static let none = Unit("")
    public static let celsius = Unit("Cel")
    public static let kelvin = Unit("K")
    public static let relativeHumidity = Unit("%RH")
    public static let ratio = Unit("/")
    public static let percent = Unit("%")
    public static let pascal = Unit("Pa")
    public static let hectopascal = Unit("hPa")
    public static let volt = Unit("V")
    public static let ampere = Unit("A")
    public static let watt = Unit("W")
    public static let kilowattHour = Unit("kWh")
    public static let second = Unit("s")
    public static let metre = Unit("m")
    public static let metrePerSecond = Unit("m/s")
    public static let kilogram = Unit("kg")
    public static let lux = Unit("lx")
    public static let hertz = Unit("Hz")
    public static let byte = Unit("B")
    public static let bytePerSecond = Unit("B/s")
    public static let perMinute = Unit("1/min")
    public static let count = Unit("count")
}
