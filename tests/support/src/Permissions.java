// Gives a principal the permission to write to topics and to see them, or takes it back.
//
// Usage: Permissions <bootstrap servers> <grant | revoke> <principal> <topic>...

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
        for (String topic : List.of(args).subList(3, args.length)) {
            ResourcePattern pattern = new ResourcePattern(ResourceType.TOPIC, topic, PatternType.LITERAL);
            for (AclOperation operation : List.of(AclOperation.WRITE, AclOperation.DESCRIBE)) {
                bindings.add(new AclBinding(pattern, new AccessControlEntry(args[2], "*", operation, AclPermissionType.ALLOW)));
            }
        }
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", args[0]))) {
            if (args[1].equals("grant")) {
                admin.createAcls(bindings).all().get();
            } else {
                List<AclBindingFilter> filters = bindings.stream().map(AclBinding::toFilter).toList();
                admin.deleteAcls(filters).all().get();
            }
        }
    }
}
