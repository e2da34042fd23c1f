# Pre-training of students, once for each corpus, size and seed number, and for each method that
# has an objective of its own for it. With `exec` a signal that ends a job reaches the program, which
# then saves its state.


rule pretrain:
    input:
        lambda w: JOBS.inputs("pretrain", w.job),
    output:
        STORE / "pretrain/{job}/record.json",
    log:
        LOGS / "pretrain/{job}.log",
    benchmark:
        PATHS.benchmarks / "pretrain/{job}.tsv"
    priority: lambda w: JOBS.priority("pretrain", w.job)
    conda:
        "../envs/pdbench.yaml"
    threads: 1
    params:
        study=ARGUMENT,
        key=lambda w: JOBS.key("pretrain", w.job),
    message:
        "pre-train {params.key}"
    shell:
        "exec pdbench pretrain {params.study:q} {params.key} --threads {threads} > {log} 2>&1"
