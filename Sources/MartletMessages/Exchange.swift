// SPDX-License-Identifier: Apache-2.0

internal import MartletCBOR
internal import MartletEnvelope

/// One exchange over HTTPS, which carries both ways what MQTT carries one by one.
public enum Exchange {
    /// Bytes of a request or an answer.
    public static let maximumSize = 64 * 1024
    /// Messages in one of them.
    public static let maximumCount = 64
    /// Seconds that an answer may be held at most.
    public static let maximumWait: UInt64 = 60
    /// Bytes that a message takes at most beside its own.
    public static let messageOverhead = 32
    /// Bytes of a request or an answer at most, without its messages.
    public static let overhead = 256

    /// A message and the place where it would stand as a topic.
    public struct Message: Equatable, Sendable {
        /// nil: a name that is no leaf. It cannot be encoded.
        public var leaf: Leaf?
        public var bytes: [UInt8]

        public init(leaf: Leaf?, bytes: [UInt8]) {
            self.leaf = leaf
            self.bytes = bytes
        }
    }

    /// What a device sends.
    public struct Request: Equatable, Sendable {
        /// Seconds that the answer may be held while neither side has a message; at most 60.
        public var wait: UInt64
        public var messages: [Message]
        /// The mark of the last answer whose messages were all taken; 0: none.
        public var mark: UInt64

        public init(wait: UInt64, messages: [Message], mark: UInt64) {
            self.wait = wait
            self.messages = messages
            self.mark = mark
        }

        /// nil if it is larger than a reader takes.
        public func encoded() -> [UInt8]? {
            if wait > Exchange.maximumWait { return nil }
            return Exchange.encoded(messages, mark) { $0.unsigned(wait) }
        }

        /// Throws `malformed`; bounded by the size of `bytes`, which is at most 64 KiB.
        public init(decoding bytes: Span<UInt8>) throws(MessageError) {
            var wait: UInt64 = 0
            (messages, mark) = try Exchange.decoded(bytes) { (reader) throws(CBORError) in
                let at = reader.offset
                wait = try reader.unsigned()
                if wait > Exchange.maximumWait { throw .unexpected(at: at) }
            }
            self.wait = wait
        }
    }

    /// What the back end answers.
    public struct Answer: Equatable, Sendable {
        /// One for each message of the request, in its order, with the meaning of PUBACK's reason codes.
        public var codes: [UInt8]
        public var messages: [Message]
        /// What the device tells in its next request, once it has taken the messages.
        public var mark: UInt64

        public init(codes: [UInt8], messages: [Message], mark: UInt64) {
            self.codes = codes
            self.messages = messages
            self.mark = mark
        }

        /// nil if it is larger than a reader takes.
        public func encoded() -> [UInt8]? {
            if codes.count > Exchange.maximumCount { return nil }
            return Exchange.encoded(messages, mark) { writer in
                writer.array(codes.count)
                for code in codes { writer.unsigned(UInt64(code)) }
            }
        }

        /// Throws `malformed`; bounded by the size of `bytes`, which is at most 64 KiB.
        public init(decoding bytes: Span<UInt8>) throws(MessageError) {
            var codes: [UInt8] = []
            (messages, mark) = try Exchange.decoded(bytes) { (reader) throws(CBORError) in
                for _ in 0..<(try Exchange.count(&reader)) {
                    let at = reader.offset
                    guard let code = UInt8(exactly: try reader.unsigned()) else { throw .unexpected(at: at) }
                    codes.append(code)
                }
            }
            self.codes = codes
        }
    }

    // MARK: What both have: [first, [[leaf, message], …], mark]

    private static func encoded(
        _ messages: [Message], _ mark: UInt64, _ first: (inout CBORWriter) -> Void
    ) -> [UInt8]? {
        if messages.count > maximumCount { return nil }
        var size = overhead
        for message in messages {
            if message.leaf == nil { return nil }
            size += messageOverhead + message.bytes.count
        }
        return CBORWriter.encode(limit: min(size, maximumSize)) { writer in
            writer.array(3)
            first(&writer)
            writer.array(messages.count)
            for message in messages {
                let (leaf, bytes) = (message.leaf?.bytes ?? [], message.bytes)
                writer.array(2)
                writer.text(leaf.span)
                writer.bytes(bytes.span)
            }
            writer.unsigned(mark)
        }
    }

    private static func decoded(
        _ bytes: Span<UInt8>, _ first: (inout CBORReader) throws(CBORError) -> Void
    ) throws(MessageError) -> ([Message], UInt64) {
        do throws(CBORError) {
            if bytes.count > maximumSize { throw .unexpected(at: 0) }
            var reader = CBORReader(bytes)
            try reader.array(exactly: 3)
            try first(&reader)
            var messages: [Message] = []
            for _ in 0..<(try count(&reader)) {
                try reader.array(exactly: 2)
                let leaf = Leaf(bytes.extracting(try reader.text()))
                let content = try reader.bytes()
                messages.append(Message(leaf: leaf, bytes: [UInt8](copying: bytes.extracting(content))))
            }
            let mark = try reader.unsigned()
            try reader.finish()
            return (messages, mark)
        } catch {
            throw .malformed(error)
        }
    }

    /// The length of an array of codes or messages.
    private static func count(_ reader: inout CBORReader) throws(CBORError) -> Int {
        let at = reader.offset
        let count = try reader.array()
        if count > maximumCount { throw .unexpected(at: at) }
        return count
    }
}
