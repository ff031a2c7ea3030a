// Gives a principal the permission to write to topics and to see them, or takes it back; or to read topics; or to write under
// transactional ids that begin with these words.
//
// Usage: Permissions <bootstrap servers> <grant | revoke | read | transactions> <principal> <name>...

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.common.acl.AccessControlEntry;
import org.apache.kafka.common.acl.AclBinding;
import org.apache.kafka.common.acl.AclBindingFilter;
import org.apache.kafka.common.acl.AclOperation;
import org.apache.kafka.common.acl.AclPermissionType;
import org.apache.kafka.common.resource.PatternType;
import org.apache.kafka.common.resource.ResourcePattern;
import org.apache.kafka.common.resource.ResourceType;

public class Permissions {
    public static void main(String[] args) throws Exception {
        List<AclBinding> bindings = new ArrayList<>();
        boolean transactions = args[1].equals("transactions");
        ResourceType kind = transactions ? ResourceType.TRANSACTIONAL_ID : ResourceType.TOPIC;
        PatternType how = transactions ? PatternType.PREFIXED : PatternType.LITERAL;
        List<AclOperation> operations = args[1].equals("read")
                ? List.of(AclOperation.READ)
                : List.of(AclOperation.WRITE, AclOperation.DESCRIBE);
        for (String name : List.of(args).subList(3, args.length)) {
            ResourcePattern pattern = new ResourcePattern(kind, name, how);
            for (AclOperation operation : operations) {
                bindings.add(new AclBinding(pattern, new AccessControlEntry(args[2], "*", operation, AclPermissionType.ALLOW)));
            }
        }
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", args[0]))) {
            if (!args[1].equals("revoke")) {
                admin.createAcls(bindings).all().get();
            } else {
                List<AclBindingFilter> filters = bindings.stream().map(AclBinding::toFilter).toList();
                admin.deleteAcls(filters).all().get();
            }
        }
    }
}
