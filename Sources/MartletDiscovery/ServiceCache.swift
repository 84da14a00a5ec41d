// SPDX-License-Identifier: Apache-2.0

internal import MartletDNS

/// What was announced of the kinds that are looked for. Bounded: what comes when it is full is not kept.
struct ServiceCache {
    private struct Instance {
        let kind: ServiceKind
        let name: DNSName
        let label: [UInt8]
        var servers: [DNSService] = []
        /// The data of its TXT record.
        var text: [UInt8]?
    }

    private struct Host {
        let name: DNSName
        var addresses: [FoundAddress] = []
    }

    private static let serverLimit = 4

    private let kinds: [ServiceKind]
    private var instances: [Instance] = []
    private var hosts: [Host] = []

    init(_ kinds: [ServiceKind]) { self.kinds = kinds }

    /// Takes from a message what belongs to what is looked for, in whatever order it stands there.
    /// False if there was nothing.
    mutating func take(_ records: [DNSRecord], interface: UInt32) -> Bool {
        var isUsed = false
        for record in records where record.isInternet {
            if case .pointer(let name) = record.data, takePointer(record, name) { isUsed = true }
        }
        for record in records where record.isInternet {
            if takeInstance(record) { isUsed = true }
        }
        for record in records where record.isInternet {
            if case .address(let bytes) = record.data, takeAddress(record, bytes, interface) { isUsed = true }
        }
        return isUsed
    }

    private mutating func takePointer(_ record: DNSRecord, _ name: DNSName) -> Bool {
        guard let kind = kinds.first(where: { $0.type == record.name }), let label = name.label(below: kind.type)
        else { return false }
        let known = instances.firstIndex { $0.name == name }
        if record.timeToLive == 0 {
            guard let known else { return false }
            instances.remove(at: known)
            forgetHosts()
        } else if known == nil {
            guard instances.count < ServiceBrowser.instanceLimit else { return false }
            instances.append(Instance(kind: kind, name: name, label: label))
        }
        return true
    }

    /// SRV and TXT. Servers that differ stand beside each other: whoever announces another one hides none.
    private mutating func takeInstance(_ record: DNSRecord) -> Bool {
        guard let index = instances.firstIndex(where: { $0.name == record.name }) else { return false }
        switch record.data {
        case .text(let strings):
            instances[index].text = record.timeToLive == 0 ? nil : strings
            return true
        case .service(let server):
            guard !server.target.isRoot, server.port != 0 else { return false }
            let known = instances[index].servers.firstIndex {
                $0.port == server.port && $0.target == server.target
            }
            if record.timeToLive == 0 {
                guard let known else { return false }
                instances[index].servers.remove(at: known)
                forgetHosts()
            } else if let known {
                instances[index].servers[known] = server
            } else {
                guard instances[index].servers.count < Self.serverLimit else { return false }
                instances[index].servers.append(server)
                if !hosts.contains(where: { $0.name == server.target }) { hosts.append(Host(name: server.target)) }
            }
            return true
        default: return false
        }
    }

    private mutating func takeAddress(_ record: DNSRecord, _ bytes: [UInt8], _ interface: UInt32) -> Bool {
        guard let index = hosts.firstIndex(where: { $0.name == record.name }),
            let address = FoundAddress(bytes, interface: interface)
        else { return false }
        let known = hosts[index].addresses.firstIndex { $0.isSame(address) }
        if record.timeToLive == 0 {
            guard let known else { return false }
            hosts[index].addresses.remove(at: known)
        } else if known == nil {
            guard hosts[index].addresses.count < ServiceBrowser.addressLimit else { return false }
            hosts[index].addresses.append(address)
        }
        return true
    }

    /// Those that no server is on any longer.
    private mutating func forgetHosts() {
        hosts.removeAll { host in
            !instances.contains { $0.servers.contains { $0.target == host.name } }
        }
    }

    /// What would make the services complete.
    var missing: [DNSQuestion] {
        var questions: [DNSQuestion] = []
        for instance in instances {
            if instance.servers.isEmpty { questions.append(DNSQuestion(instance.name, DNSType.service)) }
            if instance.text == nil { questions.append(DNSQuestion(instance.name, DNSType.text)) }
        }
        for host in hosts where host.addresses.isEmpty {
            questions.append(DNSQuestion(host.name, DNSType.address4))
            questions.append(DNSQuestion(host.name, DNSType.address6))
        }
        return questions
    }

    /// Sorted by kind, priority, weight, name, host and port.
    var services: [FoundService] {
        var services: [FoundService] = []
        for kind in kinds {
            let start = services.count
            for instance in instances where instance.kind == kind {
                for server in instance.servers {
                    let service = found(instance, server)
                    var place = services.count
                    while place > start, service.precedes(services[place - 1]) { place -= 1 }
                    services.insert(service, at: place)
                }
            }
        }
        return services
    }

    private func found(_ instance: Instance, _ server: DNSService) -> FoundService {
        var addresses: [FoundAddress] = []
        for address in hosts.first(where: { $0.name == server.target })?.addresses ?? [] {
            var place = addresses.count
            while place > 0, address.precedes(addresses[place - 1]) { place -= 1 }
            addresses.insert(address, at: place)
        }
        let path = instance.text.flatMap { DNSText.value(of: "path", in: $0) }
        return FoundService(
            kind: instance.kind, instance: instance.label, host: server.target, port: server.port,
            priority: server.priority, weight: server.weight, addresses: addresses,
            path: path.flatMap { $0.isPath ? $0 : nil })
    }
}

extension FoundService {
    /// Of one kind.
    fileprivate func precedes(_ other: FoundService) -> Bool {
        if priority != other.priority { return priority < other.priority }
        if weight != other.weight { return weight > other.weight }
        if instance != other.instance { return instance.lexicographicallyPrecedes(other.instance) }
        return host == other.host ? port < other.port : host < other.host
    }
}

extension [UInt8] {
    var isPath: Bool { first == UInt8(ascii: "/") && allSatisfy { $0 > 0x20 && $0 < 0x7f } }
}
