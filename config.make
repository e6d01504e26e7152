# Appended to nginx's makefile. cargo is asked each time: it knows what has changed.

case $NGX_OBJS in
/*) nginx_auth_build=$NGX_OBJS ;;
*) nginx_auth_build=\$\(CURDIR\)/$NGX_OBJS ;;
esac

cat <<END >>"$NGX_MAKEFILE"

$nginx_auth_target: $nginx_auth_library

$nginx_auth_library: nginx-auth-always
	BINDGEN_EXTRA_CLANG_ARGS="\$\$($ngx_addon_dir/scripts/layout-flags --bindgen $nginx_auth_build/Makefile) \\
		\$\$BINDGEN_EXTRA_CLANG_ARGS" \\
	NGINX_SOURCE_DIR="\$(CURDIR)" NGINX_BUILD_DIR="$nginx_auth_build" cargo rustc --release --locked \\
		--manifest-path $ngx_addon_dir/Cargo.toml --target-dir $NGX_OBJS/nginx-auth \\
		--lib --crate-type staticlib --no-default-features --features aws-lc-rs

nginx-auth-always:

.PHONY: nginx-auth-always

END
